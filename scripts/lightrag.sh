#!/usr/bin/env bash
# Installs LightRAG's server at an exact version into a virtual environment of its own, with the tokenizers' tables that
# it would otherwise fetch at its first start, and prints the environment's folder. What is there already is kept.
# usage: lightrag.sh VERSION [DIR]     PYTHON=… names another interpreter than python3
set -euo pipefail
version=${1:?usage: lightrag.sh VERSION [DIR]}
dir=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/workspace-router/lightrag-$version}

# Tables of tiktoken, by the name that it looks for (the SHA-1 of their address), with their SHA-256.
declare -A tables=(
	[9b5ad71b2ce5302211f9c61530b329a4922fc6a4]=223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7 # cl100k_base
	[fb374d419588a4632f3f557e76b4b70aebbca790]=446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d # o200k_base
)
# A wheel that carries both tables under these names; only the two files are taken out of it.
carrier=litellm==1.109.1
within=litellm/litellm_core_utils/tokenizers

complete() {
	local name
	[[ -f $dir/.complete && $(<"$dir/.complete") == "$version" && -x $dir/bin/lightrag-server ]] || return 1
	for name in "${!tables[@]}"; do
		[[ -f $dir/tiktoken/$name ]] || return 1
	done
}

# One installation at a time; who comes second finds it done.
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
if complete; then
	echo "$dir"
	exit 0
fi

# A shim that chooses among interpreters would choose again, differently, at each start: the venv points to the real one.
python=$("${PYTHON:-python3}" -c 'import os, sys; print(os.path.realpath(sys.executable))')
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

rm -rf "$dir"
"$python" -m venv "$dir" >&2
"$dir/bin/pip" install --quiet --disable-pip-version-check "lightrag-hku[api]==$version" >&2

"$dir/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$scratch" "$carrier" >&2
mkdir "$dir/tiktoken"
for name in "${!tables[@]}"; do
	"$dir/bin/python" -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))' \
		"$scratch"/*.whl "$within/$name" >"$dir/tiktoken/$name"
	echo "${tables[$name]}  $dir/tiktoken/$name" | sha256sum --check --quiet --strict >&2
done

echo "$version" >"$dir/.complete"
echo "$dir"
