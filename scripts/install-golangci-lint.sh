#!/usr/bin/env bash
# Builds golangci-lint at an exact version into a folder of its own, away from this module's go.mod.
# usage: install-golangci-lint.sh VERSION DIR
set -euo pipefail
version=$1 dir=$2
mkdir -p "$dir"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
GOBIN=$dir GOFLAGS=-buildvcs=false go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
