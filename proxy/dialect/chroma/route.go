package chroma

import (
	"net/http"
	"net/url"
	"strings"

	"workspace-router/internal/kind"
)

// operation is what is asked of a project: "" and "{}" are its collections and one of them; others are what a collection's
// path ends in.
type operation string

const (
	ofProject    operation = ""
	ofCollection operation = "{}"
)

// path is how an operation is written behind the collections.
func (o operation) path() string {
	switch o {
	case ofProject:
		return ""
	case ofCollection:
		return "/{collection}"
	}
	return "/{collection}/" + string(o)
}

// call is what a path asks for, decoded.
type call struct {
	project, collection string
	operation           operation
}

// serveFunc serves one call.
type serveFunc func(*api, http.ResponseWriter, *http.Request, call)

// operations are the API's routes: by what is asked, by method.
var operations = map[operation]map[string]serveFunc{
	ofProject:    {http.MethodGet: (*api).collections, http.MethodPost: (*api).collections},
	ofCollection: {http.MethodGet: (*api).collections, http.MethodDelete: (*api).collections},
	"add":        {http.MethodPost: (*api).forward},
	"update":     {http.MethodPost: (*api).forward},
	"upsert":     {http.MethodPost: (*api).forward},
	"count":      {http.MethodGet: (*api).forward},
	"query":      {http.MethodPost: (*api).search},
	"delete":     {http.MethodPost: (*api).search},
	"get":        {http.MethodGet: (*api).get, http.MethodPost: (*api).search},
}

// parse reads /api/v1/{project}/collections[/{collection}[/{operation}]], with or without a slash at its end. A path that
// programs read in different ways is none of them.
func parse(path kind.Path) (call, bool) {
	if path.Ambiguous {
		return call{}, false
	}
	parts := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path.Decoded, "/api/v1/"), "/"), "/")
	if len(parts) < 2 || len(parts) > 4 || parts[0] == "" || parts[1] != "collections" {
		return call{}, false
	}
	c := call{project: parts[0]}
	if len(parts) > 2 {
		c.collection, c.operation = parts[2], ofCollection
	}
	if len(parts) > 3 {
		c.operation = operation(parts[3])
	}
	_, known := operations[c.operation]
	return c, known && (len(parts) < 4 || c.operation != ofCollection && c.operation != ofProject)
}

// native is the address of something of the project's in Chroma's own API: its collections, and what is below them.
func (c call) native(below ...string) *url.URL {
	path, raw := "/w/"+c.project, "/w/"+url.PathEscape(c.project)
	const collections = "/api/v2/tenants/default_tenant/databases/default_database/collections"
	path, raw = path+collections, raw+collections
	for _, part := range below {
		path, raw = path+"/"+part, raw+"/"+url.PathEscape(part)
	}
	return &url.URL{Path: path, RawPath: raw}
}
