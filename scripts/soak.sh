#!/usr/bin/env bash
# The long forms of the tests that get better with time: random strikes on real processes, random interleavings of the
# pool, workers and clients that misbehave, eight LightRAGs on two places with documents that contradict each other, and
# fuzzing, one after the other, each with seeds of its own that a failure prints.
# usage: soak.sh DURATION, of the whole: a number with h, m or s; the bin/ directory must be built
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:?a duration is missing, such as 8h} in
*h) seconds=$((${1%h} * 3600)) ;;
*m) seconds=$((${1%m} * 60)) ;;
*s) seconds=${1%s} ;;
*) echo "soak.sh: got \"$1\", want a number with h, m or s, such as 8h" >&2 && exit 2 ;;
esac
ends=$((SECONDS + seconds))
rounds=0
while ((SECONDS < ends)); do
	rounds=$((rounds + 1))
	slice=$(((ends - SECONDS) / 4))
	((slice > 600)) && slice=600 # so that each has its turn early
	((slice < 20)) && slice=20
	echo "=== round $rounds: chaos for $slice s"
	CHAOS_FOR=${slice}s go test -count=1 -timeout "$((2 * slice + 600))s" ./test/chaos/...
	echo "=== round $rounds: the model for $slice s"
	go test -race -count=1 -timeout "$((2 * slice + 600))s" -run Model ./supervisor -soak "${slice}s"
	echo "=== round $rounds: the transport for $((slice / 4)) s"
	go test -race -count=1 -timeout "$((slice + 600))s" -run Soak ./proxy/transport -soak "$((slice / 4))s"
	echo "=== round $rounds: LightRAG under load and strikes for $slice s"
	go test -count=1 -timeout "$((2 * slice + 1800))s" -run UnderLoad ./test/e2e/lightrag -storm "${slice}s"
	echo "=== round $rounds: fuzzing"
	scripts/fuzz.sh "$((slice / 20 + 1))s"
done
echo "soaked: $rounds rounds without a failure"
