package transport

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// BenchmarkRoundTrip is one small request to a worker of this very process, whose time counts for both alike.
func BenchmarkRoundTrip(b *testing.B) {
	w := serve(b, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "an answer of some bytes, as a small one has")
	})
	for name, transport := range map[string]http.RoundTripper{"lean": w.lean(), "standard": w.standard()} {
		for method, body := range map[string]string{"GET": "", "POST": "a question"} {
			b.Run(name+" "+method, func(b *testing.B) {
				b.ReportAllocs()
				before := used(b)
				for b.Loop() {
					if _, _, err := send(b, transport, newRequest(b, method, "/", strings.NewReader(body))); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(used(b)-before)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}

// used is the processor time of this process so far, which other work on the machine does not change much.
func used(b *testing.B) int64 {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}
