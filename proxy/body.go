package proxy

import (
	"fmt"
	"net/http"

	"workspace-router/internal/workspace"
)

// limitBody refuses a body that says that it is too large, before a byte of it is read or a worker is started for it,
// and bounds one that does not say.
func (c *chain) limitBody(x *exchange) error {
	limit := x.settings.MaxBody
	if x.kind.MaxBody > 0 {
		limit = int64(x.kind.MaxBody)
	}
	if x.r.ContentLength > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", workspace.ErrBodyTooLarge, x.r.ContentLength, limit)
	}
	if x.body.ReadCloser != nil && x.r.ContentLength < 0 {
		// The server's own writer is named, so that it closes the connection instead of reading what is left.
		x.body.ReadCloser = http.MaxBytesReader(x.w.ResponseWriter, x.body.ReadCloser, limit)
	}
	return nil
}
