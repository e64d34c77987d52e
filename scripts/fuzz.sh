#!/usr/bin/env bash
# Runs every fuzz target of the tree for a given time each.
# usage: fuzz.sh DURATION
set -euo pipefail
cd "$(dirname "$0")/.."
duration=${1:-30s}
git grep -lE '^func Fuzz[A-Z]' -- '*_test.go' | while read -r file; do
	package=./$(dirname "$file")
	grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | cut -d' ' -f2 | while read -r target; do
		echo "== $package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$duration" "$package"
	done
done
