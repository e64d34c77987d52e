package telemetry

import (
	"io"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Access is what the access log says of one request. Fields that are blank are left out of the line.
type Access struct {
	Start     time.Time
	RequestID string
	Client    string // address without port
	Principal string
	Tenant    string
	Workspace string
	Kind      string
	Launch    string
	Class     string // active, passive, never; blank where the request reached no workspace
	Route     string // the pattern that matched
	Method    string
	Path      string // as the worker sees it, without query, made fit by SafePath
	Status    int
	Code      string // of the router's own error
	BytesIn   int64
	BytesOut  int64
	Duration  time.Duration
	Waited    time.Duration // for the worker
	Aborted   bool          // the answer did not reach its end
}

const (
	accessBuffer = 64 << 10
	accessFlush  = time.Second
)

// AccessLog writes one line per request through a buffer, which is written out when it is full, when its first line is a
// second old, and by Sync and Close.
type AccessLog struct {
	core   zapcore.Core
	buffer *buffer
	fields sync.Pool // *[]zap.Field
}

// NewAccessLog makes an access log on out in one of the formats of LogConfig. Lines are written at every level: what is
// asked for is a record of requests, not a report of trouble.
func NewAccessLog(format string, out io.Writer) (*AccessLog, error) {
	encoder, err := newEncoder(format)
	if err != nil {
		return nil, err
	}
	buffer := newBuffer(out, accessBuffer, accessFlush)
	return &AccessLog{
		core:   zapcore.NewCore(encoder, buffer, zapcore.InfoLevel),
		buffer: buffer,
		fields: sync.Pool{New: func() any { list := make([]zap.Field, 0, 24); return &list }},
	}, nil
}

// Write adds the line of one request. It is safe to call from several goroutines.
func (l *AccessLog) Write(a *Access) {
	list := l.fields.Get().(*[]zap.Field)
	*list = a.appendFields((*list)[:0])
	entry := zapcore.Entry{Level: zapcore.InfoLevel, Time: a.Start, LoggerName: "access", Message: "request"}
	// A log that cannot be written must not fail requests; the disk's trouble shows in Close and in the program's log.
	_ = l.core.Write(entry, *list)
	clear(*list) // keep no string of the request alive
	l.fields.Put(list)
}

// Sync writes out what is buffered.
func (l *AccessLog) Sync() error { return l.buffer.Sync() }

// Close writes out what is buffered. Lines that come after it are written at once.
func (l *AccessLog) Close() error { return l.buffer.Close() }

func (a *Access) appendFields(list []zap.Field) []zap.Field {
	text := func(key, value string) {
		if value != "" {
			list = append(list, zap.String(key, value))
		}
	}
	text(FieldRequestID, a.RequestID)
	text(FieldClient, a.Client)
	text(FieldPrincipal, a.Principal)
	text(FieldTenant, a.Tenant)
	text(FieldWorkspace, a.Workspace)
	text(FieldKind, a.Kind)
	text(FieldLaunch, a.Launch)
	text(FieldClass, a.Class)
	text(FieldRoute, a.Route)
	text(FieldMethod, a.Method)
	text(FieldPath, a.Path)
	list = append(list, zap.Int(FieldStatus, a.Status))
	text(FieldCode, a.Code)
	list = append(list,
		zap.Int64(FieldBytesIn, a.BytesIn), zap.Int64(FieldBytesOut, a.BytesOut),
		zap.Duration(FieldDuration, a.Duration), zap.Duration(FieldWaited, a.Waited))
	if a.Aborted {
		list = append(list, zap.Bool(FieldAborted, true))
	}
	return list
}
