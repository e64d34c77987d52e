// Package telemetry is what the router says of itself: the log, the access log with one line per request, and the
// metrics. It holds the names of fields and metrics, so that one thing has one name everywhere. It never takes a
// credential, a query text or a body. It starts no goroutine; an AccessLog that holds lines has a timer.
package telemetry

import (
	"fmt"
	"io"
	"log"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Formats of the log.
const (
	FormatJSON    = "json"
	FormatConsole = "console"
)

// LogConfig says how much is logged, and in which form.
type LogConfig struct {
	Level  string // debug, info, warn or error
	Format string // FormatJSON or FormatConsole
	// Var, where it is given, is what every line asks for the level; SetLevel changes it later.
	Var *zap.AtomicLevel
}

// NewLogger makes the program's logger. It writes each line to out at once; out must be safe to write to from several
// goroutines, or be a file.
func NewLogger(cfg LogConfig, out io.Writer) (*zap.Logger, error) {
	level, err := parseLevel(cfg.Level)
	if err != nil {
		return nil, err
	}
	encoder, err := newEncoder(cfg.Format)
	if err != nil {
		return nil, err
	}
	var enabler zapcore.LevelEnabler = level
	if cfg.Var != nil {
		cfg.Var.SetLevel(level)
		enabler = cfg.Var
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(out)), enabler)), nil
}

// SetLevel changes the level of the loggers that were made with the variable.
func SetLevel(variable *zap.AtomicLevel, level string) error {
	parsed, err := parseLevel(level)
	if err != nil {
		return err
	}
	variable.SetLevel(parsed)
	return nil
}

func parseLevel(level string) (zapcore.Level, error) {
	allowed := []string{"debug", "info", "warn", "error"}
	if name := strings.ToLower(level); slices.Contains(allowed, name) {
		return zapcore.ParseLevel(name)
	}
	return 0, fmt.Errorf("cannot log at level %q, want one of %s", level, strings.Join(allowed, ", "))
}

func newEncoder(format string) (zapcore.Encoder, error) {
	cfg := zapcore.EncoderConfig{
		TimeKey: FieldTime, LevelKey: FieldLevel, NameKey: FieldLogger, MessageKey: FieldMessage, StacktraceKey: FieldStack,
		EncodeTime: zapcore.RFC3339NanoTimeEncoder, EncodeLevel: zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.SecondsDurationEncoder, LineEnding: zapcore.DefaultLineEnding,
	}
	switch format {
	case FormatJSON:
		return zapcore.NewJSONEncoder(cfg), nil
	case FormatConsole:
		cfg.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		cfg.EncodeDuration = zapcore.StringDurationEncoder
		return zapcore.NewConsoleEncoder(cfg), nil
	}
	return nil, fmt.Errorf("cannot log in the format %q, want %s or %s", format, FormatJSON, FormatConsole)
}

// StandardLog gives what the standard library wants to log into, such as an http.Server. Its lines are about clients
// that do not keep to the protocol, so they are of level debug.
func StandardLog(logger *zap.Logger) *log.Logger {
	standard, err := zap.NewStdLogAt(logger, zapcore.DebugLevel)
	if err != nil { // only for a level that zap does not know
		return log.New(io.Discard, "", 0)
	}
	return standard
}
