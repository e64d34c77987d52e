#!/usr/bin/env bash
# Installs the clients that the tests drive, at exact versions, into a virtual environment of their own, and prints its
# folder. What is there already is kept.
# usage: clients.sh [DIR]     PYTHON=… names another interpreter than python3
set -euo pipefail
wanted="$(dirname "$0")/clients.txt"
known=$(sha256sum <"$wanted" | cut -c1-12)
dir=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/workspace-router/clients-$known}

# One installation at a time; who comes second finds it done.
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
if [[ -f $dir/.complete ]]; then
	echo "$dir"
	exit 0
fi

python=$("${PYTHON:-python3}" -c 'import os, sys; print(os.path.realpath(sys.executable))')
rm -rf "$dir"
"$python" -m venv "$dir" >&2
"$dir/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$wanted" >&2
touch "$dir/.complete"
echo "$dir"
