#!/bin/sh
# Checks that both lock files hold what pyproject.toml asks for: locked again without an upgrade they
# have the same versions. Called by the Makefile; installs nothing.
# usage: envs/lock-check.sh UV PIP COMPILE…
set -eu
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT

versions() { grep -oE '^[^ ]+==[^ ]+' "$1" | sort; }

check() {
    lock=$1
    shift
    cp "$lock" "$again/$lock" # the versions there are kept where they fit
    "$@" -o "$again/$lock"
    versions "$lock" >"$again/held"
    versions "$again/$lock" >"$again/wanted"
    diff "$again/held" "$again/wanted" || {
        echo "$lock does not fit pyproject.toml (< is locked, > would be); run make lock" >&2
        exit 1
    }
    echo "$lock fits pyproject.toml"
}

check requirements.lock "$@"
check requirements-cuda12.lock "$@" --constraint envs/cuda12.txt
