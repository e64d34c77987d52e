package chroma

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

func TestNameTenants(t *testing.T) {
	t.Parallel()
	const inDatabase = "/api/v2/tenants/alpha/databases/d"
	for name, tc := range map[string]struct{ path, answer, want string }{
		"the tenant":             {"/api/v2/tenants/alpha", `{"name":"default_tenant","resource_name":null}`, `{"name":"alpha","resource_name":null}`},
		"a database":             {inDatabase, `{"id":"1","name":"default_tenant","tenant":"default_tenant"}`, `{"id":"1","name":"default_tenant","tenant":"alpha"}`},
		"collections":            {inDatabase + "/collections", `[{"name":"x","tenant":"default_tenant"},{"tenant":"default_tenant"}]`, `[{"name":"x","tenant":"alpha"},{"tenant":"alpha"}]`},
		"a collection":           {inDatabase + "/collections/x", `{"dimension":12345678901234567890,"tenant":"default_tenant"}`, `{"dimension":12345678901234567890,"tenant":"alpha"}`},
		"by its id":              {inDatabase + "/collections/by-id/1", `{"tenant":"default_tenant"}`, `{"tenant":"alpha"}`},
		"a number":               {inDatabase + "/collections_count", `3`, `3`},
		"documents":              {inDatabase + "/collections/1/get", `{"tenant":"default_tenant"}`, `{"tenant":"default_tenant"}`},
		"Chroma's word for none": {"/api/v2/tenants/default_tenant/databases/d", `{"tenant":"default_tenant"}`, `{"tenant":"default_tenant"}`},
		"a tenant inside":        {"/api/v2/tenants/team", `{"name":"team","resource_name":null}`, `{"name":"team","resource_name":null}`},
		"something else":         {"/api/v1/projects", `{"tenant":"default_tenant"}`, `{"tenant":"default_tenant"}`},
	} {
		handler := NameTenants(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(len(tc.answer)))
			_, _ = io.WriteString(w, tc.answer)
		}))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", tc.path, nil))
		if got := w.Body.String(); got != tc.want || w.Header().Get("Content-Length") != strconv.Itoa(len(tc.want)) {
			t.Errorf("%s: got %s of %s bytes, want %s", name, got, w.Header().Get("Content-Length"), tc.want)
		}
	}
}
