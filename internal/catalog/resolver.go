package catalog

import (
	"sync"

	lru "github.com/hashicorp/golang-lru/v2"

	"workspace-router/internal/workspace"
)

// nameKey is a name as it was asked for. Spellings that differ in case have entries of their own.
type nameKey struct{ tenant, name workspace.Name }

// resolver remembers what look-ups found. A look-up notes the version before it asks the database and fills only if
// it is unchanged, and a change counts the version up after its commit, whatever came of that: so nothing older than
// the last change is ever remembered.
type resolver struct {
	names       *lru.Cache[nameKey, *workspace.Workspace]
	generations *lru.Cache[workspace.Generation, *workspace.Workspace]
	unknown     *lru.Cache[nameKey, struct{}] // apart, so that guesses cannot push out what is used

	mu      sync.Mutex // guards version, and each fill against a change; taken after none of the caches' own locks
	version uint64
}

func newResolver(size int) (*resolver, error) {
	names, err := lru.New[nameKey, *workspace.Workspace](size)
	if err != nil {
		return nil, err
	}
	generations, err := lru.New[workspace.Generation, *workspace.Workspace](size)
	if err != nil {
		return nil, err
	}
	unknown, err := lru.New[nameKey, struct{}](max(size/4, 1))
	if err != nil {
		return nil, err
	}
	return &resolver{names: names, generations: generations, unknown: unknown}, nil
}

// name gives what is remembered of a name: hit where anything is, known where it is a workspace.
func (r *resolver) name(key nameKey) (w *workspace.Workspace, known, hit bool) {
	if w, found := r.names.Get(key); found {
		return w, true, true
	}
	_, found := r.unknown.Get(key)
	return nil, false, found
}

func (r *resolver) generation(g workspace.Generation) (w *workspace.Workspace, hit bool) {
	return r.generations.Get(g)
}

func (r *resolver) begin() (version uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version
}

// fillName remembers a workspace, or with nil that there is none.
func (r *resolver) fillName(version uint64, key nameKey, w *workspace.Workspace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case version != r.version:
	case w == nil:
		r.unknown.Add(key, struct{}{})
	default:
		r.names.Add(key, w)
	}
}

func (r *resolver) fillGeneration(version uint64, w *workspace.Workspace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if version == r.version {
		r.generations.Add(w.Generation, w)
	}
}

// forget is called after every change whose commit was tried. Changes are rare beside look-ups, so all is forgotten.
func (r *resolver) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version++
	r.names.Purge()
	r.generations.Purge()
	r.unknown.Purge()
}
