#!/usr/bin/env bash
# Installs Chroma's server and Python client at an exact version into a virtual environment of its own, and prints its
# folder. What is there already is kept.
# usage: chroma.sh VERSION [DIR]     PYTHON=… names another interpreter than python3
set -euo pipefail
version=${1:?usage: chroma.sh VERSION [DIR]}
dir=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/workspace-router/chroma-$version}

# One installation at a time; who comes second finds it done.
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
if [[ -f $dir/.complete && $(<"$dir/.complete") == "$version" && -x $dir/bin/chroma-server ]]; then
	echo "$dir"
	exit 0
fi

# A shim that chooses among interpreters would choose again, differently, at each start: the venv points to the real one.
python=$("${PYTHON:-python3}" -c 'import os, sys; print(os.path.realpath(sys.executable))')
rm -rf "$dir"
"$python" -m venv "$dir" >&2
"$dir/bin/pip" install --quiet --disable-pip-version-check "chromadb==$version" >&2

# The server is in a library of the package; bin/chroma imports a second's worth of Python before it begins, which only the
# client needs. This one begins at once.
cat >"$dir/bin/chroma-server" <<-EOF
	#!$dir/bin/python3
	"""The command chroma, without what its server does not need."""
	import sys

	import chromadb_rust_bindings

	chromadb_rust_bindings.cli(["chroma", *sys.argv[1:]])
EOF
chmod +x "$dir/bin/chroma-server"
echo "$version" >"$dir/.complete"
echo "$dir"
