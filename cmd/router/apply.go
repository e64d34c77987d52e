package main

import (
	"errors"
	"fmt"

	"workspace-router/auth"
	"workspace-router/configs"
	"workspace-router/internal/telemetry"
	"workspace-router/proxy"
	"workspace-router/supervisor"
)

// apply makes the configuration count. Where it cannot, nothing is changed: all that may be refused comes first.
func (s *server) apply(config configs.Config) error {
	if err := config.CheckAnonymous(); err != nil {
		return err
	}
	next, err := newLive(config)
	if err != nil {
		return err
	}
	if err := s.pool.Reconfigure(poolConfig(&config, s.node)); err != nil {
		return refusal(&config, err)
	}
	if err := telemetry.SetLevel(&s.level, config.Log.Level); err != nil { // it was checked when it was read
		return fmt.Errorf("cannot change the log's level: %w", err)
	}
	if s.certificates != nil {
		if err := s.certificates.Replace(config.Certificates); err != nil { // those that are empty were refused
			return fmt.Errorf("cannot change the certificates: %w", err)
		}
	}
	before := s.live.Swap(next)
	if before.config.Anonymous != config.Anonymous || before.config.DefaultWorkspace != config.DefaultWorkspace {
		warnOfAnonymous(&config, s.log)
		s.pool.Cut(supervisor.Filter{Principal: proxy.AnonymousPrincipal})
	}
	if before.config.APIKey != config.APIKey {
		// First the right is taken away, then those are cut who came by it.
		s.keys.ReplaceStaticKey(config.APIKey.Reveal())
		s.pool.Cut(supervisor.Filter{Principal: auth.StaticPrincipal})
	}
	return nil
}

// refusal says which line the pool does not agree with.
func refusal(config *configs.Config, err error) error {
	var pinned *supervisor.PinnedError
	if !errors.As(err, &pinned) {
		return err
	}
	const key = "pool.max_workers"
	wrong := configs.Problem{Key: key, Text: err.Error()}
	for _, setting := range config.Settings() {
		if setting.Key == key {
			wrong.Place = setting.From
		}
	}
	return configs.Problems{wrong}
}
