package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"workspace-router/internal/rag/answer"
	"workspace-router/internal/rag/chunk"
	"workspace-router/internal/rag/extract"
	"workspace-router/internal/rag/index"
	"workspace-router/internal/rag/model"
	"workspace-router/internal/rag/server"
	"workspace-router/internal/rag/settings"
	"workspace-router/internal/rag/store"
	"workspace-router/internal/rag/terms"
	"workspace-router/internal/version"
)

const (
	charactersPerToken = 4
	quotes             = 3               // passages that are quoted where there is no language model
	retryAfter         = 2 * time.Second // a step of the indexer that failed for an outer reason
	attempts           = 4
	headerTimeout      = 30 * time.Second
	idleTimeout        = 2 * time.Minute
	patience           = time.Minute // with a client that sends or takes nothing
	gcPercent          = 50          // memory at rest matters more here than the collector's time
)

// serveWorkspace runs until ctx is cancelled, then stops in this order: no new connections; the open requests end, or
// their grace does; the pipeline stops between two of its steps; the models' connections and the store are closed.
func serveWorkspace(ctx context.Context, config settings.Settings, log *zap.Logger) (err error) {
	syscall.Umask(0o077) // whatever this program writes is the workspace's, and nobody else's to read
	debug.SetGCPercent(gcPercent)
	embedder, llm, err := models(config)
	if err != nil {
		return err
	}
	data, err := store.Open(ctx, config.DataDir(), terms.Segment)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if err := server.CleanUploads(config.UploadDir()); err != nil {
		return err
	}
	pipeline, handler, err := assemble(ctx, config, data, embedder, llm, log)
	if err != nil {
		return err
	}
	listener, err := listen(ctx, config)
	if err != nil {
		return err
	}
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx)) // the pipeline outlives the requests
	indexed := make(chan error, 1)
	go func() { indexed <- pipeline.Run(work) }()
	defer func() {
		stopWork()
		err = errors.Join(err, <-indexed)
	}()
	resting := newRester(handler, data.Release)
	defer resting.timer.Stop()
	web := &http.Server{
		Handler: resting, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, ErrorLog: zap.NewStdLog(log.Named("http")),
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(listener) }()
	if err := notify(ctx, config.NotifySocket, "READY=1"); err != nil {
		log.Warn("cannot notify", zap.Error(err))
	}
	log.Info("serving", zap.String("address", listener.Addr().String()), zap.String("workspace", config.Workspace), zap.String("version", version.Version))
	select {
	case err := <-served:
		return fmt.Errorf("cannot serve: %w", err)
	case <-ctx.Done():
	}
	if err := notify(context.WithoutCancel(ctx), config.NotifySocket, "STOPPING=1"); err != nil {
		log.Warn("cannot notify", zap.Error(err))
	}
	log.Info("stopping", zap.Duration("grace", config.ShutdownGrace))
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), config.ShutdownGrace)
	defer cancel()
	if err := web.Shutdown(grace); err != nil {
		log.Warn("requests were cut off", zap.Error(err))
		_ = web.Close() // its error is that of a listener closed before
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("cannot serve: %w", err)
	}
	return nil
}

// models makes the clients of the models that are configured; nil stands for none.
func models(config settings.Settings) (*model.Embedder, *model.LLM, error) {
	var embedder *model.Embedder
	var llm *model.LLM
	var err error
	if config.Embedding.Binding != "" {
		if embedder, err = model.NewEmbedder(modelConfig(config.Embedding), config.EmbeddingDim); err != nil {
			return nil, nil, err
		}
	}
	if config.LLM.Binding != "" {
		if llm, err = model.NewLLM(modelConfig(config.LLM)); err != nil {
			return nil, nil, err
		}
	}
	return embedder, llm, nil
}

func modelConfig(m settings.Model) model.Config {
	return model.Config{Binding: m.Binding, Host: m.Host, APIKey: m.APIKey, Name: m.Name, Timeout: m.Timeout}
}

// assemble wires the parts over an open store.
func assemble(ctx context.Context, config settings.Settings, data *store.Store, embedder *model.Embedder, llm *model.LLM, log *zap.Logger) (*index.Pipeline, *server.Server, error) {
	program, err := ownProgram()
	if err != nil {
		return nil, nil, err
	}
	indexDeps := index.Deps{
		Store: data, Log: log.Named("index"),
		Reader: extract.Isolated{Program: []string{program, readCommand}, Timeout: config.ExtractTimeout, Limits: extract.DefaultLimits()},
	}
	engineDeps := answer.Deps{Store: data}
	if embedder != nil {
		indexDeps.Embedder, engineDeps.Embedder = embedder, embedder
		if err := data.UseVectors(ctx, embedder.Name()); err != nil {
			return nil, nil, err
		}
	}
	if llm != nil {
		engineDeps.LLM = llm
	}
	pipeline, err := index.New(index.Config{
		Chunks:    chunk.Config{Size: config.ChunkSize * charactersPerToken, Overlap: config.ChunkOverlap * charactersPerToken},
		UploadDir: config.UploadDir(), Backoff: retryAfter, Attempts: attempts,
	}, indexDeps)
	if err != nil {
		return nil, nil, err
	}
	engine, err := answer.New(answer.Config{Candidates: config.TopK, Passages: config.ChunkTopK, Quotes: quotes, Cosine: config.Cosine}, engineDeps)
	if err != nil {
		return nil, nil, err
	}
	handler, err := server.New(server.Config{
		Version: version.Version, APIKey: config.APIKey, Prefix: config.APIPrefix, Workspace: config.Workspace, Instance: config.Instance,
		WorkingDir: config.WorkingDir, InputDir: config.InputDir, UploadDir: config.UploadDir(),
		ModelName: config.ModelName, ModelTag: config.ModelTag, MaxUpload: config.MaxUpload, MaxBody: config.MaxBody, TopK: config.TopK, Patience: patience,
		LLM:       server.Model{Binding: config.LLM.Binding, Host: settings.WithoutUser(config.LLM.Host), Name: config.LLM.Name},
		Embedding: server.Model{Binding: config.Embedding.Binding, Host: settings.WithoutUser(config.Embedding.Host), Name: config.Embedding.Name},
	}, server.Deps{Documents: data, Pipeline: pipeline, Engine: engine, Log: log.Named("http")})
	if err != nil {
		return nil, nil, err
	}
	return pipeline, handler, nil
}

// ownProgram is how this program starts itself. The kernel's link stays right when the file is replaced by a newer one.
func ownProgram() (string, error) {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link, nil
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("cannot find this program: %w", err)
	}
	return program, nil
}

// newLogger writes one JSON object a line.
func newLogger(level string, w io.Writer) (*zap.Logger, error) {
	lowest, err := zapcore.ParseLevel(strings.Replace(level, "warning", "warn", 1))
	if err != nil {
		return nil, fmt.Errorf("cannot log: %w", err)
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey, encoding.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(encoding), zapcore.AddSync(w), lowest)), nil
}
