#!/usr/bin/env bash
# Prints where Chromium is, after installing Debian's where there is none and this is root.
# usage: chromium.sh     CHROMIUM=… names a program that is installed elsewhere
set -euo pipefail

find_program() {
	local name
	for name in chromium chromium-browser google-chrome; do
		command -v "$name" && return
	done
	return 1
}

if [[ -n ${CHROMIUM:-} ]]; then
	command -v "$CHROMIUM" && exit
	echo "chromium.sh: cannot find the program that CHROMIUM names, $CHROMIUM" >&2
	exit 1
fi
find_program && exit
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	echo 'chromium.sh: there is no Chromium: install the package chromium, or name the program by CHROMIUM' >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends chromium
} >&2
find_program
