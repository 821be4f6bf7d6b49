#!/bin/sh
# Checks that all lock files hold what pyproject.toml asks for: locked again without an upgrade they
# have the same versions. Called by the Makefile; installs nothing.
# usage: envs/lock-check.sh "UV PIP COMPILE COMMAND" "THE ONE OF requirements-optimizers.lock"
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

# shellcheck disable=SC2086 # a command of several words
check requirements.lock $1
# shellcheck disable=SC2086
check requirements-cuda12.lock $1 --constraint envs/cuda12.txt
# shellcheck disable=SC2086
check requirements-optimizers.lock $2
