package proxy

import (
	"crypto/tls"
	"errors"
	"sync/atomic"
)

// Certificates are what the listeners show to clients of TLS. They may be replaced while the listeners serve: who
// connects from then on sees the new ones, and those who are connected notice nothing.
type Certificates struct {
	list atomic.Pointer[[]tls.Certificate]
}

// NewCertificates takes at least one certificate, each with its Leaf.
func NewCertificates(list []tls.Certificate) (*Certificates, error) {
	c := &Certificates{}
	if err := c.Replace(list); err != nil {
		return nil, err
	}
	return c, nil
}

// Replace puts others in their place. An empty list is refused.
func (c *Certificates) Replace(list []tls.Certificate) error {
	if len(list) == 0 {
		return errors.New("cannot speak TLS without a certificate")
	}
	c.list.Store(&list)
	return nil
}

// Config is for a listener's http.Server.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.choose}
}

// choose takes the first certificate that fits the name and what the client understands, else the first: the client can
// say better than a closed connection what does not fit.
func (c *Certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	list := *c.list.Load()
	for i := range list {
		if hello.SupportsCertificate(&list[i]) == nil {
			return &list[i], nil
		}
	}
	return &list[0], nil
}
