package proxy

import (
	"fmt"

	"golang.org/x/net/http/httpguts"

	"workspace-router/internal/problem"
	"workspace-router/internal/workspace"
)

// checkHead refuses a request whose head is too large, and a Host that is none. What is larger still, and such a Host over
// HTTP/1.1, net/http has refused already.
func (c *chain) checkHead(x *exchange) error {
	const perLine = len(": \r\n")
	size := len(x.r.Method) + len(x.r.RequestURI) + len(x.r.Host)
	for name, values := range x.r.Header {
		for _, value := range values {
			size += len(name) + len(value) + perLine
		}
	}
	if size > c.HeaderBytes {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", workspace.ErrHeaderTooLarge, size, c.HeaderBytes)
	}
	if !httpguts.ValidHostHeader(x.r.Host) {
		return fmt.Errorf("%w: its host is none", problem.ErrBadRequest)
	}
	return nil
}
