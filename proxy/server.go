package proxy

import (
	"fmt"
	"net/http"
	"time"

	"go.uber.org/zap"

	"workspace-router/internal/telemetry"
)

// ServerConfig bounds what a client may cost before its request is known.
type ServerConfig struct {
	HeaderTimeout time.Duration // for a request's head; 0 is 10 s
	IdleTimeout   time.Duration // between two requests on a connection; 0 is 2 min
	HeaderBytes   int           // the largest head; 0 is 64 KiB. What is larger gets 431
}

// Defaults of ServerConfig.
const (
	defaultHeaderTimeout = 10 * time.Second
	defaultIdleTimeout   = 2 * time.Minute
	defaultHeaderBytes   = 64 << 10
)

// NewServer makes the http.Server of a listener. A client that sends its head slowly, or is silent between requests, is
// cut off; neither a body nor an answer has a deadline, since uploads and streams may take as long as they like.
func NewServer(cfg ServerConfig, handler http.Handler, logger *zap.Logger) (*http.Server, error) {
	if cfg.HeaderTimeout < 0 || cfg.IdleTimeout < 0 || cfg.HeaderBytes < 0 {
		return nil, fmt.Errorf("cannot make a server: a negative limit in %+v", cfg)
	}
	if handler == nil || logger == nil {
		return nil, fmt.Errorf("cannot make a server: a handler and a logger are needed")
	}
	fill(&cfg.HeaderTimeout, defaultHeaderTimeout)
	fill(&cfg.IdleTimeout, defaultIdleTimeout)
	fill(&cfg.HeaderBytes, defaultHeaderBytes)
	return &http.Server{
		Handler:                      handler,
		ReadHeaderTimeout:            cfg.HeaderTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxHeaderBytes:               cfg.HeaderBytes,
		DisableGeneralOptionsHandler: true, // `OPTIONS *` is judged by the chain, like everything else
		ErrorLog:                     telemetry.StandardLog(logger.Named("http")),
	}, nil
}

func fill[T comparable](field *T, value T) {
	var none T
	if *field == none {
		*field = value
	}
}
