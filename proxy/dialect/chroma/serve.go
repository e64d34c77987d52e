package chroma

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// replayed is how much of a body is kept so that it can be sent again, in bytes. Before a larger one the collection's id is
// looked up anew.
const replayed = 1 << 20

// collections serves what Chroma itself takes a collection's name for.
func (a *api) collections(w http.ResponseWriter, r *http.Request, c call) {
	below := []string{}
	if c.operation == ofCollection {
		below = append(below, c.collection)
	}
	to := c.native(below...)
	if r.Method == http.MethodGet && c.operation == ofProject {
		to.RawQuery = r.URL.RawQuery // limit and offset
	}
	a.pass(w, r, to)
}

// forward serves what goes on as it is, but for the collection's id.
func (a *api) forward(w http.ResponseWriter, r *http.Request, c call) {
	if r.ContentLength < 0 || r.ContentLength > replayed {
		a.forwardLarge(w, r, c)
		return
	}
	if id, body, read := a.body(w, r, c, replayed); read {
		a.send(w, r, c, id, body)
	}
}

// The bounds of what is read here. The data plane has its own for what it is given.
const (
	bodyTimeout = 5 * time.Minute
	restTimeout = 5 * time.Second // for what a refusal left unread
)

// body reads a request's body, once it is known that who asks may see the collection: what comes without a key takes no
// memory. It answers by itself where that is not so, or where the body is not read to its end.
func (a *api) body(w http.ResponseWriter, r *http.Request, c call, limit int64) (id string, content []byte, read bool) {
	id, failed := a.Names.look(a.Next, r, c, false)
	if failed != nil {
		failed.tell(w)
		return "", nil, false
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // fails for what is no connection
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		refuseBody(w, err)
		return "", nil, false
	}
	_ = control.SetReadDeadline(time.Time{})
	return id, content, true
}

// forwardLarge streams a body that is sent once.
func (a *api) forwardLarge(w http.ResponseWriter, r *http.Request, c call) {
	id, failed := a.Names.look(a.Next, r, c, true)
	if failed != nil {
		failed.tell(w)
		return
	}
	a.pass(w, r, c.native(id, string(c.operation)))
}

// send sends a request whose body is known, and once more where the id was of a collection that is there no longer. A
// blank id is one that was not looked up yet.
func (a *api) send(w http.ResponseWriter, r *http.Request, c call, id string, body []byte) {
	for _, anew := range []bool{false, true} {
		if anew || id == "" {
			var failed *told
			if id, failed = a.Names.look(a.Next, r, c, anew); failed != nil {
				failed.tell(w)
				return
			}
		}
		request := to(r, r.Method, c.native(id, string(c.operation)))
		if c.operation == "get" {
			request.Method = http.MethodPost
		}
		if len(body) > 0 {
			request.Header.Set("Content-Type", "application/json")
			request.Body, request.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		}
		answer := &answer{ResponseWriter: w, hold: !anew}
		a.Next.ServeHTTP(answer, request)
		if !answer.finish() {
			return
		}
	}
}

// search serves a request whose filters may be in the form of old.
func (a *api) search(w http.ResponseWriter, r *http.Request, c call) {
	id, content, read := a.body(w, r, c, a.MaxBody)
	if !read {
		return
	}
	var body map[string]json.RawMessage
	if len(bytes.TrimSpace(content)) == 0 {
		content = []byte("{}")
	}
	if err := json.Unmarshal(content, &body); err != nil {
		refuseField(w, "json_invalid", []string{"body"}, "JSON decode error: an object is wanted")
		return
	}
	if _, given := body["query_embeddings"]; c.operation == "query" && !given {
		refuseField(w, "missing", []string{"body", "query_embeddings"}, "Field required: the server makes no embeddings, of query_texts neither")
		return
	}
	a.filtered(w, r, c, id, body)
}

// get serves the documents of a collection, by what is behind the question mark: ids and include as often as wanted or with
// commas between them, limit, offset, and where and where_document as JSON.
func (a *api) get(w http.ResponseWriter, r *http.Request, c call) {
	asked, body := r.URL.Query(), map[string]json.RawMessage{}
	for name, values := range asked {
		var err error
		switch name {
		case "ids", "include":
			body[name], err = json.Marshal(listed(values))
		case "limit", "offset":
			var number uint64
			if number, err = strconv.ParseUint(values[0], 10, 31); err == nil {
				body[name], err = json.Marshal(number)
			}
		case "where", "where_document":
			if body[name] = json.RawMessage(values[0]); !json.Valid(body[name]) {
				err = errors.New("it is not JSON")
			}
		}
		if err != nil {
			refuseField(w, "value_error", []string{"query", name}, "cannot read "+strconv.Quote(values[0]))
			return
		}
	}
	a.filtered(w, r, c, "", body)
}

func listed(values []string) []string {
	if len(values) == 1 {
		return strings.Split(values[0], ",")
	}
	return values
}

// filtered sends a body with its filters in the form that Chroma wants now.
func (a *api) filtered(w http.ResponseWriter, r *http.Request, c call, id string, body map[string]json.RawMessage) {
	for _, name := range []string{"where", "where_document"} {
		if filter, given := body[name]; given {
			if body[name] = wrap(filter); body[name] == nil {
				delete(body, name)
			}
		}
	}
	content, err := json.Marshal(body)
	if err != nil {
		internal(w, err)
		return
	}
	a.send(w, r, c, id, content)
}

// pass sends a request on, to another address where one is given, and tells its errors in the API's form.
func (a *api) pass(w http.ResponseWriter, r *http.Request, address *url.URL) {
	request := r
	if address != nil {
		request = to(r, r.Method, address)
		request.Body, request.ContentLength = r.Body, r.ContentLength
	}
	answer := &answer{ResponseWriter: w}
	a.Next.ServeHTTP(answer, request)
	answer.finish()
}

// to makes the request that Chroma's own API is asked by, without a body. It is no browser's that opens a page.
func to(r *http.Request, method string, address *url.URL) *http.Request {
	request := r.Clone(r.Context())
	request.Method, request.URL, request.RequestURI = method, address, address.RequestURI()
	request.Body, request.ContentLength, request.TransferEncoding = http.NoBody, 0, nil
	request.Header.Set("Accept", "application/json")
	request.Header.Del("Content-Length")
	return request
}

func refuseBody(w http.ResponseWriter, err error) {
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		refuse(w, http.StatusRequestEntityTooLarge, "the body is too large: at most "+strconv.FormatInt(large.Limit, 10)+" bytes are allowed here")
		return
	}
	refuse(w, http.StatusBadRequest, "the body cannot be read")
}
