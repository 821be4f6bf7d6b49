#!/bin/sh
# Makes .venv from a lock file. Called by the Makefile; safe to repeat, also at the same time.
# usage: envs/setup.sh [VENV [BUILD]], BUILD is the PyTorch: cuda13, cuda12 or cpu
set -eu
venv=${1:-.venv}
build=${2:-cuda13}
python=${PYTHON:-python3}

case $build in
cuda12) lock=requirements-cuda12.lock ;;
cuda13 | cpu) lock=requirements.lock ;;
*)
    echo "$build is not a build of PyTorch; use cuda13, cuda12 or cpu." >&2
    exit 1
    ;;
esac

"$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || {
    echo "fggp needs Python 3.11, 3.12 or 3.13, but $python is $("$python" --version 2>&1)." >&2
    echo "Name another one: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
}

# Two `make` in one new folder would install into one environment at once: the second waits for the
# first. The descriptor keeps the lock until this script ends, however it ends.
mkdir -p "$venv"
if [ "${FGGP_SETUP_LOCK:-}" != "$venv" ]; then
    export FGGP_SETUP_LOCK="$venv"
    exec "$python" -c '
import fcntl, os, sys

venv, script, build = sys.argv[1:]
lock = open(os.path.join(venv, ".setup-lock"), "w")
os.set_inheritable(lock.fileno(), True)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print(f"Waiting for another setup of {venv}", flush=True)
    fcntl.flock(lock, fcntl.LOCK_EX)
except OSError:
    pass  # a file system without locks
os.execv("/bin/sh", ["/bin/sh", script, venv, build])
' "$venv" "$0" "$build"
fi

# A finished setup that is newer than its files is left alone. The mark of an unfinished one keeps
# the name of its build for the next `make`.
ready="$venv/.ready-$build"
files="requirements.lock requirements-cuda12.lock pyproject.toml envs/setup.sh"
# shellcheck disable=SC2086 # four words
[ -f "$ready" ] && [ -z "$(find $files -newer "$ready")" ] && exit
rm -f "$venv"/.ready-* "$venv"/.unfinished-*
touch "$venv/.unfinished-$build"

# Debian splits ensurepip off python3-venv, so the environment is made without pip.
[ -x "$venv/bin/python" ] || "$python" -m venv --without-pip "$venv"

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    uv="$venv/uv/bin/uv"
    if [ ! -x "$uv" ]; then
        if "$python" -m pip --version >/dev/null 2>&1; then
            "$python" -m pip install --quiet --root-user-action=ignore --target "$venv/uv" "uv>=0.9,<1"
        elif "$python" -m ensurepip --version >/dev/null 2>&1; then
            "$python" -m venv "$venv/bootstrap"
            "$venv/bootstrap/bin/python" -m pip install --quiet --root-user-action=ignore --target "$venv/uv" "uv>=0.9,<1"
        else
            echo "fggp needs pip or uv to set itself up, and found neither." >&2
            echo "On Debian or Ubuntu: apt-get install python3-pip, then run make again." >&2
            exit 1
        fi
    fi
fi

# Compiled bytecode saves seconds in every one of the many short processes of a grid.
unset PYTHONDONTWRITEBYTECODE
VIRTUAL_ENV=$(cd "$venv" && pwd)
export VIRTUAL_ENV
if [ "$build" = cpu ] && [ "$(uname)" = Linux ]; then
    # Only PyTorch's own index has builds without CUDA. The lock has their versions, but not their
    # hashes. On other systems the builds on PyPI have no CUDA.
    echo "Setting up $venv from $lock, with the PyTorch for CPUs (a minute or two)"
    others=$(mktemp)
    trap 'rm -f "$others"' EXIT
    awk '/^[^ ]/ {drop = /^(torch|torchvision|triton|cuda-[a-z]+|nvidia-[a-z0-9-]+)==/ && !/^nvidia-ml-py==/}
        !drop' "$lock" >"$others"
    "$uv" pip sync --quiet --require-hashes --compile-bytecode "$others"
    # shellcheck disable=SC2046 # two words
    "$uv" pip install --quiet --no-deps --compile-bytecode \
        --index-url https://download.pytorch.org/whl/cpu $(grep -oE '^(torch|torchvision)==[0-9.]+' "$lock")
else
    echo "Setting up $venv from $lock (a minute or two; about 7 GB on Linux)"
    "$uv" pip sync --quiet --require-hashes --compile-bytecode "$lock"
fi
"$uv" pip install --quiet --no-deps --no-build-isolation --compile-bytecode --editable .
mv "$venv/.unfinished-$build" "$ready"
