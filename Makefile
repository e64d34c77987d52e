# The two that a newcomer needs are `make run` and `make test`; `make help` lists the rest.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

CACHE   ?= $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/workspace-router
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO      ?= go
# The programs are static: no C library of the machine is needed where they run. `make test` alone needs a C compiler,
# for the race detector.
GOBUILD  = CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X workspace-router/internal/version.Version=$(VERSION)"
GOLANGCI_VERSION = v2.15.0
GOLANGCI = $(CACHE)/golangci-lint-$(GOLANGCI_VERSION)/golangci-lint
# Packages whose tests need nothing but Go modules. Those that drive programs which they build themselves are never
# taken from the test cache, which knows nothing of those programs' sources.
DRIVING = workspace-router/cmd/worker workspace-router/supervisor/process workspace-router/test/router
UNIT = $(filter-out $(DRIVING),$(shell $(GO) list ./... | grep -v -e /test/e2e -e /test/chaos -e /test/browser -e /test/clients -e /test/machine))

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z0-9-]*:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.PHONY: build
build: bin/router bin/worker bin/keeper ## build bin/router, bin/worker and bin/keeper

.PHONY: bin/router bin/worker bin/keeper
bin/router bin/worker bin/keeper: bin/%:
	$(GOBUILD) -o $@ ./cmd/$*

.PHONY: run
run: build ## build, then serve ./data on 127.0.0.1:9621 with the embedded worker
	exec bin/router serve --data ./data

.PHONY: test
test: ## everything that needs no download beyond Go modules, under the race detector
	$(GO) test -race -timeout 10m $(UNIT)
	$(GO) test -race -timeout 10m -count=1 $(DRIVING)

.PHONY: lint
lint: $(GOLANGCI) ## formatting, vet, golangci-lint, import rules, generated files current
	@test -z "$$(gofmt -l $$(git ls-files '*.go') | tee /dev/stderr)" || { echo 'lint: run "make fmt"' >&2; exit 1; }
	$(GO) vet ./...
	$(GOLANGCI) run ./...
	$(GO) mod verify >/dev/null
	scripts/check-generated.sh

$(GOLANGCI):
	scripts/install-golangci-lint.sh $(GOLANGCI_VERSION) $(dir $@)

.PHONY: generate
generate: build ## write the generated files anew
	bin/router config reference > docs/configuration.md

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w $$(git ls-files '*.go')

.PHONY: e2e
e2e: build e2e-lightrag e2e-kinds e2e-browser e2e-clients e2e-machine ## drive the built programs as their users would
	$(GO) test -count=1 -timeout 15m ./test/e2e ./test/e2e/preload

.PHONY: e2e-lightrag
e2e-lightrag: ## the same over the real LightRAG, at two versions, which are installed once (some minutes, 1.3 GB)
	$(GO) test -count=1 -timeout 20m -parallel 2 ./test/e2e/lightrag

.PHONY: e2e-kinds
e2e-kinds: ## the other kinds' real servers by their own clients; they are installed once (two minutes, 520 MB)
	$(GO) test -count=1 -timeout 10m -parallel 2 ./test/e2e/kinds

.PHONY: e2e-browser
e2e-browser: ## people's pages and hostile ones in Chromium, which is installed once (by root; else see scripts/chromium.sh)
	$(GO) test -count=1 -timeout 15m -parallel 2 ./test/browser/...

.PHONY: e2e-clients
e2e-clients: ## other people's clients, unchanged; those of Python are installed once (half a minute, 70 MB)
	$(GO) test -count=1 -timeout 10m ./test/clients

.PHONY: e2e-machine
e2e-machine: ## control groups and the systemd units, in a User-Mode Linux that is installed once and booted twice (by root; else see scripts/uml.sh)
	$(GO) test -count=1 -timeout 15m -parallel 1 ./test/machine

.PHONY: chaos
chaos: build ## kill, stop and starve the real processes, then look for what is left (at most 3 minutes)
	$(GO) test -count=1 -timeout 5m ./test/chaos/...

.PHONY: bench-short
bench-short: build ## CI's form of the benchmarks (at most 3 minutes)
	$(GO) run ./bench/worker -short
	$(GO) run ./bench/pool -short
	$(GO) run ./bench/proxy -short

.PHONY: bench
bench: build ## all benchmarks; results go to bench/results
	mkdir -p bench/results
	$(GO) run ./bench/worker | tee bench/results/worker.md
	$(GO) run ./bench/pool | tee bench/results/pool.md
	$(GO) run ./bench/proxy | tee bench/results/proxy.md
	$(GO) run ./bench/lightrag | tee bench/results/lightrag.md

.PHONY: fuzz
fuzz: ## each fuzz target for 30 seconds
	scripts/fuzz.sh 30s

SOAK_FOR ?= 8h
.PHONY: soak
soak: build ## the long forms of the random tests, for SOAK_FOR (8h)
	scripts/soak.sh $(SOAK_FOR)

.PHONY: clean
clean: ## remove what the build made
	rm -rf bin
