package proxy

import (
	"fmt"

	"workspace-router/internal/workspace"
)

// checkHead refuses a request whose head is too large. What is larger still, net/http has refused already.
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
	return nil
}
