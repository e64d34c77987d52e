package main

import (
	"time"

	"go.uber.org/zap"

	"workspace-router/configs"
	"workspace-router/supervisor/process"
)

// keepFor is for how long workers outlive this router; 0 is not at all.
func keepFor(config configs.Config) time.Duration {
	if config.OnExit == configs.OnExitKeep {
		return config.KeepFor
	}
	return 0
}

// keeps reports whether workers outlive this router.
func (s *server) keeps() bool { return keepFor(s.live.Load().config) > 0 }

// warnOfKeep says what would end the workers with this router although they are to be kept.
func (s *server) warnOfKeep() {
	if !s.keeps() {
		return
	}
	for _, reason := range process.DefeatsKeep() {
		s.log.Warn("on_exit is keep, but the workers will end with this router", zap.String("why", reason))
	}
}
