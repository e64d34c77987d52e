package tenants

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"workspace-router/internal/problem"
)

// A listing's pages, in entries.
const (
	usualLimit = 100
	maxLimit   = 1000
)

// sortable is a moment as text that sorts as the moments do.
func sortable(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// writePage answers with a part of a listing, by the query: `q` keeps those whose text holds it, without regard to case;
// `sort` is the name of a field, after a minus in reverse; `limit` and `cursor` cut out a page. The header X-Next-Cursor
// is where the next one begins, and is not there at the end. Entries that are made or removed between two pages move no other.
func writePage[T any](c *call, list []T, fields map[string]func(T) string, text func(T) string) error {
	query := c.r.URL.Query()
	if q := strings.ToLower(query.Get("q")); q != "" {
		list = slices.DeleteFunc(list, func(one T) bool { return !strings.Contains(strings.ToLower(text(one)), q) })
	}
	name, reverse := strings.CutPrefix(cmp.Or(query.Get("sort"), "created_at"), "-")
	field, found := fields[name]
	if !found {
		return fmt.Errorf("%w: sort: got %q, want one of %s", problem.ErrBadRequest, name, strings.Join(slices.Sorted(keysOf(fields)), ", "))
	}
	limit := usualLimit
	if value := query.Get("limit"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > maxLimit {
			return fmt.Errorf("%w: limit: got %q, want 1 to %d", problem.ErrBadRequest, value, maxLimit)
		}
		limit = n
	}
	place := func(one T) string { return field(one) + "\x00" + text(one) } // two entries may be alike in the field
	order := func(a, b T) int { return cmp.Compare(place(a), place(b)) }
	if reverse {
		order = func(a, b T) int { return cmp.Compare(place(b), place(a)) }
	}
	slices.SortStableFunc(list, order)
	if cursor := query.Get("cursor"); cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil {
			return fmt.Errorf("%w: cursor: it is none that a listing gave", problem.ErrBadRequest)
		}
		list = slices.DeleteFunc(list, func(one T) bool {
			if reverse {
				return place(one) >= string(after)
			}
			return place(one) <= string(after)
		})
	}
	if len(list) > limit {
		list = list[:limit]
		c.w.Header().Set("X-Next-Cursor", base64.RawURLEncoding.EncodeToString([]byte(place(list[limit-1]))))
	}
	return c.succeed(http.StatusOK, list)
}

func keysOf[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}
