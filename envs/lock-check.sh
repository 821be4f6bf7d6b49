#!/bin/sh
# Checks that a lock file satisfies pyproject.toml: locked again without an upgrade, it has the same
# versions. Called by the Makefile; installs nothing.
# usage: envs/lock-check.sh LOCK UV PIP COMPILE…
set -eu
lock=$1
shift
again=$(mktemp -d)
trap 'rm -rf "$again"' EXIT

versions() { grep -oE '^[^ ]+==[^ ]+' "$1" | sort; }

cp "$lock" "$again/$lock" # its versions are kept if they fit
"$@" -o "$again/$lock"
versions "$lock" >"$again/held"
versions "$again/$lock" >"$again/wanted"
diff "$again/held" "$again/wanted" || {
    echo "$lock does not fit pyproject.toml (< is locked, > would be); run make lock" >&2
    exit 1
}
echo "$lock fits pyproject.toml"
