package transport

import (
	"net/http"
	"strings"
)

// framing is how an answer's body ends.
type framing uint8

const (
	noBody framing = iota
	ofLength
	inChunks
	untilClose
)

// frame finds out how the answer is framed, as RFC 9112 section 6.3 has it, and removes the headers that are HTTP's own
// business. Where two readings would be possible, it is an error; where one overrules the other, the connection is not
// used again.
func (x *exchange) frame() error {
	response := &x.response
	header := response.Header
	length, err := contentLength(header)
	if err != nil {
		return err
	}
	chunked, err := isChunked(response)
	if err != nil {
		return err
	}
	x.lastUse = x.lastUse || closes(response) || chunked && length >= 0
	response.Close = x.lastUse
	response.ContentLength = length
	if chunked {
		response.TransferEncoding = chunkedEncoding
		if err := x.announceTrailers(); err != nil {
			return err
		}
	}
	switch status := response.StatusCode; {
	case x.head:
		x.framing = noBody
	case status == http.StatusNoContent, status == http.StatusNotModified:
		x.framing, response.ContentLength = noBody, 0
	case chunked:
		x.framing, response.ContentLength = inChunks, -1
		delete(header, "Content-Length")
	case length == 0:
		x.framing = noBody
	case length > 0:
		x.framing = ofLength
	default:
		x.framing, x.lastUse, response.Close = untilClose, true, true
	}
	return nil
}

// chunkedEncoding is shared: nobody changes it.
var chunkedEncoding = []string{"chunked"}

// contentLength gives the declared length; -1 where there is none. Several must be the same, and become one.
func contentLength(header http.Header) (int64, error) {
	values := header["Content-Length"]
	if len(values) == 0 {
		return -1, nil
	}
	for _, value := range values[1:] {
		if value != values[0] {
			return 0, refusedf("it has several lengths: %.60q", values)
		}
	}
	if len(values) > 1 {
		header["Content-Length"] = values[:1]
	}
	n := int64(0)
	for _, c := range []byte(values[0]) {
		if c < '0' || c > '9' || n > (1<<63-1-9)/10 {
			return 0, refusedf("its Content-Length is %.40q", values[0])
		}
		n = n*10 + int64(c-'0')
	}
	if values[0] == "" {
		return 0, refusedf("its Content-Length is %q", "")
	}
	return n, nil
}

// isChunked judges the transfer coding, and removes it: it is of this connection alone.
func isChunked(response *http.Response) (bool, error) {
	values, found := response.Header["Transfer-Encoding"]
	if !found {
		return false, nil
	}
	delete(response.Header, "Transfer-Encoding")
	if response.ProtoMinor == 0 {
		return false, refusedf("it is of HTTP/1.0 and has a Transfer-Encoding, %.40q", values)
	}
	if len(values) != 1 || !strings.EqualFold(values[0], "chunked") {
		return false, refusedf("its Transfer-Encoding is %.60q, want chunked alone", values)
	}
	return true, nil
}

// closes reports whether the worker will close the connection after this answer.
func closes(response *http.Response) bool {
	connection := response.Header["Connection"]
	if response.ProtoMinor == 0 {
		return !listed(connection, "keep-alive") || listed(connection, "close")
	}
	return listed(connection, "close")
}

// listed reports whether a header that is a list of tokens holds one, without regard to case.
func listed(values []string, token string) bool {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(trim(item), token) {
				return true
			}
		}
	}
	return false
}

// announceTrailers takes the names of the trailers out of the header.
func (x *exchange) announceTrailers() error {
	values, found := x.response.Header["Trailer"]
	if !found {
		return nil
	}
	delete(x.response.Header, "Trailer")
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			switch name = http.CanonicalHeaderKey(trim(name)); name {
			case "":
				continue
			case "Transfer-Encoding", "Content-Length", "Trailer":
				return refusedf("it announces the trailer %q", name)
			}
			if x.response.Trailer == nil {
				x.response.Trailer = http.Header{}
			}
			x.response.Trailer[name] = nil
		}
	}
	return nil
}
