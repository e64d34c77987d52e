#!/usr/bin/env bash
# Prints where the User-Mode Linux kernel is, after installing Debian's where there is none and this is root.
# usage: uml.sh     UML=… names a kernel that is installed elsewhere
set -euo pipefail

if [[ -n ${UML:-} ]]; then
	command -v "$UML" && exit
	echo "uml.sh: cannot find the program that UML names, $UML" >&2
	exit 1
fi
command -v linux.uml && exit
if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
	echo 'uml.sh: there is no User-Mode Linux: install the package user-mode-linux, or name the kernel by UML' >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
{
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends user-mode-linux
} >&2
command -v linux.uml
