package supervisor

import (
	"context"
	"errors"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logEvents writes one line for each event, in a goroutine of its own so that a slow log holds up no decision. The
// channel is closed when the ring is closed and everything was written.
func (p *Pool) logEvents() <-chan struct{} {
	done := make(chan struct{})
	reader := p.SinceStart()
	go func() {
		defer close(done)
		for {
			event, err := reader.Next(context.Background()) // ends by the ring's closing
			if errors.Is(err, io.EOF) {
				return
			}
			p.deps.Logger.Log(event.level(), event.message(), event.fields()...)
		}
	}()
	return done
}

func (e *Event) message() string {
	switch e.Type {
	case EventConfigReloaded:
		return "configuration reloaded"
	case EventConfigRefused:
		return "configuration refused"
	case EventUpgraded:
		return "upgraded"
	case EventUpgradeFailed:
		return "upgrade failed"
	}
	return "worker " + string(e.Type)
}

func (e *Event) level() zapcore.Level {
	switch e.Type {
	case EventFailed, EventStartFailed, EventNotStarted, EventNotPinned, EventOversized, EventDied, EventMissed, EventOwnership, EventConfigRefused, EventUpgradeFailed:
		return zapcore.WarnLevel
	case EventQuarantined, EventIllegal:
		return zapcore.ErrorLevel
	case EventFirstByte, EventRefused:
		return zapcore.DebugLevel
	}
	return zapcore.InfoLevel
}

// fields are those that the event has.
func (e *Event) fields() []zap.Field {
	var fields []zap.Field
	text := func(key, value string) {
		if value != "" {
			fields = append(fields, zap.String(key, value))
		}
	}
	text("workspace", e.Workspace)
	text("tenant", e.Tenant)
	text("kind", e.Kind)
	text("launch", string(e.Launch))
	text("reason", e.Reason)
	text("for", e.For)
	text("detail", e.Detail)
	if e.IdleMS > 0 {
		fields = append(fields, zap.Float64("idle_ms", e.IdleMS))
	}
	if e.Count > 0 {
		fields = append(fields, zap.Int("count", e.Count))
	}
	if len(e.PhasesMS) > 0 {
		fields = append(fields, zap.Any("phases_ms", e.PhasesMS))
	}
	return fields
}
