package proxy

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/telemetry"
)

// ServerConfig bounds what a client may cost before its request is known.
type ServerConfig struct {
	HeaderTimeout time.Duration // for a request's head; 0 is 10 s
	IdleTimeout   time.Duration // between two requests on a connection; 0 is 2 min
	UnreadTimeout time.Duration // for what is written to a connection of HTTP/2; 0 is 5 min. See ListenerConfig for the others
	HeaderBytes   int           // the largest head; 0 is 64 KiB. What is much larger gets 431 from net/http itself
	// TLS makes clients speak it; nil for none.
	TLS *tls.Config
	// CountError is told of every error of the protocol HTTP/2 by one of a few words; nil for nobody.
	CountError func(kind string)
}

// Defaults of ServerConfig.
const (
	defaultHeaderTimeout = 10 * time.Second
	defaultIdleTimeout   = 2 * time.Minute
	defaultUnreadTimeout = 5 * time.Minute
	defaultHeaderBytes   = 64 << 10
)

// What a connection of HTTP/2 may cost. A client that needs more streams opens another connection; who opens and resets
// them faster than they end is cut off by net/http at four times as many.
const (
	http2Streams     = 128
	http2Frame       = 64 << 10  // a buffer of this size per connection
	http2Unread      = 512 << 10 // of bodies that nobody has read yet, per connection
	http2UnreadOfOne = 256 << 10 // and per stream
	http2Silence     = 45 * time.Second
	http2Pong        = 15 * time.Second
)

// NewServer makes the http.Server of a listener. It speaks HTTP/1.1 and HTTP/2, over TLS where it has a certificate, else
// in the clear to clients that begin with it. A client that sends its head slowly, or is silent between requests, is
// cut off; neither a body nor an answer has a deadline here, since uploads and streams may take as long as they like.
func NewServer(cfg ServerConfig, handler http.Handler, logger *zap.Logger) (*http.Server, error) {
	if cfg.HeaderTimeout < 0 || cfg.IdleTimeout < 0 || cfg.UnreadTimeout < 0 || cfg.HeaderBytes < 0 {
		return nil, fmt.Errorf("cannot make a server: a negative limit among %v, %v, %v, %d", cfg.HeaderTimeout, cfg.IdleTimeout, cfg.UnreadTimeout, cfg.HeaderBytes)
	}
	if handler == nil || logger == nil {
		return nil, fmt.Errorf("cannot make a server: a handler and a logger are needed")
	}
	fill(&cfg.HeaderTimeout, defaultHeaderTimeout)
	fill(&cfg.IdleTimeout, defaultIdleTimeout)
	fill(&cfg.UnreadTimeout, defaultUnreadTimeout)
	fill(&cfg.HeaderBytes, defaultHeaderBytes)
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(cfg.TLS != nil)
	protocols.SetUnencryptedHTTP2(cfg.TLS == nil)
	return &http.Server{
		Handler:           marked(handler),
		ReadHeaderTimeout: cfg.HeaderTimeout,
		IdleTimeout:       cfg.IdleTimeout,
		// The chain counts for itself, so that its refusal is like its others. net/http's bound is for what is so large that
		// it should not be read.
		MaxHeaderBytes:               2 * cfg.HeaderBytes,
		DisableGeneralOptionsHandler: true, // `OPTIONS *` is judged by the chain, like everything else
		ErrorLog:                     telemetry.StandardLog(logger.Named("http")),
		TLSConfig:                    cfg.TLS,
		ConnContext:                  withConn,
		ConnState:                    followConn,
		Protocols:                    protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          http2Streams,
			MaxReadFrameSize:              http2Frame,
			MaxReceiveBufferPerConnection: http2Unread,
			MaxReceiveBufferPerStream:     http2UnreadOfOne,
			SendPingTimeout:               http2Silence,
			PingTimeout:                   http2Pong,
			WriteByteTimeout:              cfg.UnreadTimeout,
			CountError:                    cfg.CountError,
		},
	}, nil
}

// Serve serves a listener in the way that the server was made for.
func Serve(server *http.Server, listener net.Listener) error {
	if server.TLSConfig != nil {
		return server.ServeTLS(listener, "", "")
	}
	return server.Serve(listener)
}

func fill[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}
