package chroma

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"

	lru "github.com/hashicorp/golang-lru/v2"
)

// manyNames is how many ids are kept.
const manyNames = 8192

// Names knows the ids of collections by their names, as Chroma's own API wants ids. What it knows is dropped whenever a name
// may come to mean another collection; an id itself is never given out twice, so that a stale one finds nothing.
type Names struct {
	known *lru.Cache[nameKey, knownID]
	// epoch counts what may have changed the meaning of a name. changing is how much of that is under way: meanwhile
	// nothing that is known counts.
	epoch    atomic.Uint64
	changing atomic.Int64
}

// nameKey is a name as somebody wrote it: whoever asks may mean another workspace by the same words.
type nameKey struct {
	asker               [sha256.Size]byte
	project, collection string
}

type knownID struct {
	id    string
	epoch uint64
}

// NewNames makes one that knows nothing.
func NewNames() (*Names, error) {
	known, err := lru.New[nameKey, knownID](manyNames)
	if err != nil {
		return nil, fmt.Errorf("cannot remember names: %w", err)
	}
	return &Names{known: known}, nil
}

// Watch is around every handler by which Chroma's own API is reached, so that a collection that is renamed or deleted there
// is known by its name no longer.
func (n *Names) Watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if renames(r) {
			n.changing.Add(1)
			// A client has its answer before this is counted, and finds that nothing counts until it is.
			defer func() {
				n.epoch.Add(1)
				n.changing.Add(-1)
			}()
		}
		next.ServeHTTP(w, r)
	})
}

// renames reports whether a request may change what a name means. Making a collection does not: what is not there is not
// remembered.
func renames(r *http.Request) bool {
	switch r.Method {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	case http.MethodPost:
		return strings.HasSuffix(r.URL.Path, "/reset")
	}
	return false
}

// look gives a collection's id, or what is to be answered instead. Anew asks, whatever is known.
func (n *Names) look(next http.Handler, r *http.Request, c call, anew bool) (id string, failed *told) {
	key := nameKey{asker: askerOf(r), project: c.project, collection: c.collection}
	epoch := n.epoch.Load()
	settled := n.changing.Load() == 0
	if known, found := n.known.Get(key); found && !anew && settled && known.epoch == epoch {
		return known.id, nil
	}
	n.known.Remove(key)
	request := to(r, http.MethodGet, c.native(c.collection))
	answer := &kept{header: http.Header{}}
	next.ServeHTTP(answer, request)
	if answer.status != http.StatusOK {
		return "", &told{status: answer.status, detail: detail(answer.content.Bytes(), answer.status), header: answer.telling()}
	}
	var collection struct{ ID string }
	if err := json.Unmarshal(answer.content.Bytes(), &collection); err != nil || collection.ID == "" {
		return "", &told{status: http.StatusBadGateway, detail: "the server's answer about the collection cannot be read"}
	}
	if settled {
		n.known.Add(key, knownID{collection.ID, epoch})
	}
	return collection.ID, nil
}

// selecting are the headers by which a request says who asks, and where.
var selecting = []string{"X-Api-Key", "X-Chroma-Token", "Authorization", "Lightrag-Workspace", "X-Workspace-Id"}

// askerOf tells apart all who may mean different things by one name.
func askerOf(r *http.Request) [sha256.Size]byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%q", r.Host)
	for _, name := range selecting {
		fmt.Fprintf(&b, " %q", r.Header[name])
	}
	return sha256.Sum256(b.Bytes())
}

// kept is an answer that nobody is sent.
type kept struct {
	header  http.Header
	status  int
	content bytes.Buffer
}

// Header gives the answer's headers.
func (k *kept) Header() http.Header { return k.header }

// WriteHeader keeps the status.
func (k *kept) WriteHeader(status int) {
	if k.status == 0 && status >= 200 {
		k.status = status
	}
}

// Write keeps as much as an answer about a collection can be.
func (k *kept) Write(p []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if room := 1<<20 - k.content.Len(); room > 0 {
		k.content.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// telling are the headers that an error is told with.
func (k *kept) telling() http.Header {
	rest := http.Header{}
	for _, name := range []string{"Retry-After", "Www-Authenticate", "X-Router-Error", "X-Request-Id", "Lightrag-Workspace", "Ratelimit", "Ratelimit-Policy"} {
		if values := k.header[name]; values != nil {
			rest[name] = values
		}
	}
	return rest
}
