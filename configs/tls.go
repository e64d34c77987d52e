package configs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// TLS says which listeners speak TLS, and by which certificates.
type TLS struct {
	Certificates []string `koanf:"certificates"` // CERTIFICATE_FILE=KEY_FILE, or one file that holds both
	Operator     bool     `koanf:"operator"`     // the operator's listener, too
}

// expiresSoon is how long before a certificate's end people are told of it. Those that are renewed by a program are
// renewed earlier.
const expiresSoon = 14 * 24 * time.Hour

// readCertificates reads the pairs of files, and watches them. A pair that does not fit is refused here, so that a
// router that runs keeps what it has while one of two files is written.
func (c *Config) readCertificates(report func(key, format string, arguments ...any)) {
	const key = "tls.certificates"
	if c.TLS.Operator && len(c.TLS.Certificates) == 0 {
		report("tls.operator", "got true without %s, want a certificate there", key)
	}
	for _, text := range c.TLS.Certificates {
		certificateFile, keyFile, two := strings.Cut(text, "=")
		if !two {
			keyFile = certificateFile
		}
		var contents [2][]byte
		for i, path := range []string{certificateFile, keyFile} {
			if !slices.Contains(c.Files, path) {
				c.Files = append(c.Files, path)
			}
			content, err := os.ReadFile(path)
			if err != nil {
				report(key, "cannot read %q: %v", path, unwrapPath(err))
				return
			}
			contents[i] = content
		}
		pair, err := tls.X509KeyPair(contents[0], contents[1]) // whose errors quote nothing of the files
		if err != nil {
			report(key, "cannot use %q with the key in %q: %v", certificateFile, keyFile, err)
			return
		}
		c.Certificates = append(c.Certificates, pair)
	}
}

// certificateWarnings names the certificates that clients refuse, or will soon.
func (c *Config) certificateWarnings(now time.Time) (list []Warning) {
	const key = "tls.certificates"
	for i, pair := range c.Certificates {
		leaf, what := pair.Leaf, ""
		switch {
		case now.Before(leaf.NotBefore):
			what = "begins only on " + leaf.NotBefore.UTC().Format(time.DateTime)
		case now.After(leaf.NotAfter):
			what = "has ended on " + leaf.NotAfter.UTC().Format(time.DateTime)
		case now.Add(expiresSoon).After(leaf.NotAfter):
			what = "ends on " + leaf.NotAfter.UTC().Format(time.DateTime)
		default:
			continue
		}
		list = append(list, Warning{Place: c.origins[key], Key: key, Text: fmt.Sprintf("the certificate of %q %s", c.TLS.Certificates[i], what)})
	}
	return list
}

// changedCertificates tells of files that are the same by name and hold other certificates. Where the names are others,
// those are told of.
func changedCertificates(was, is *Config) []Change {
	if !slices.Equal(was.TLS.Certificates, is.TLS.Certificates) {
		return nil
	}
	same := slices.EqualFunc(was.Certificates, is.Certificates, func(a, b tls.Certificate) bool {
		return slices.EqualFunc(a.Certificate, b.Certificate, bytes.Equal)
	})
	if same {
		return nil
	}
	return []Change{{
		Key: "tls.certificates", Old: until(was.Certificates), New: until(is.Certificates), From: "the files", Applies: AtOnce,
	}}
}

// until says when certificates end, in the order in which they are written.
func until(list []tls.Certificate) string {
	ends := make([]string, len(list))
	for i, pair := range list {
		ends[i] = "until " + pair.Leaf.NotAfter.UTC().Format(time.DateTime)
	}
	return strings.Join(ends, ", ")
}
