#!/bin/sh
# Builds one archive of the last commit and checks it where there is no git. Called by the Makefile.
# usage: envs/release.sh [FOLDER]
set -eu
folder=${1:-dist}
version=$(python -c 'import fggp; print(fggp.__version__)')
name=fggp-$version
mkdir -p "$folder"
archive=$folder/$name.tar.gz

[ -z "$(git status --porcelain)" ] || echo "Uncommitted changes are not in the archive." >&2
git archive --format=tar --prefix="$name/" HEAD | gzip -n -9 >"$archive"

unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT
tar -xzf "$archive" -C "$unpacked"
(
    cd "$unpacked/$name"
    PYTHONPATH=$PWD/src
    export PYTHONPATH
    # Snakemake would read settings of a parent folder, and git where there is one.
    snakemake -n --quiet rules >/dev/null
    python -m fggp check-results results/reference | tail -n 1
)
python - "$archive" <<'END'
import hashlib, pathlib, sys

content = pathlib.Path(sys.argv[1]).read_bytes()
print(f"{sys.argv[1]}: {len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()}")
END
echo "Unpacked elsewhere, it plans the full grid, and its results have no errors."
