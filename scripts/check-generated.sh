#!/usr/bin/env bash
# Fails when a generated file differs from what its generator writes now.
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
go build -o "$scratch/router" ./cmd/router
status=0
check() { # file, generator...
	local file=$1
	shift
	"$@" >"$scratch/out"
	if ! diff -u "$file" "$scratch/out"; then
		echo "check-generated: $file is stale; run \"make generate\"" >&2
		status=1
	fi
}
check docs/configuration.md "$scratch/router" config reference
exit $status
