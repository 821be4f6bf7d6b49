#!/bin/sh
# Installs only the built wheel, with the oldest PyTorch that the pruner supports, into a separate
# environment, lists the installed packages, tries the pruner there, and installs the packages of its
# tests. Called by the Makefile.
# usage: envs/light.sh UV VENV TORCH
set -eu
uv=$(realpath "$(command -v "$1")")
venv=$2
torch=$3
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
# Through the source distribution, so that nothing is left in the checkout or taken from it.
"$uv" build --quiet --out-dir "$built"
"$uv" venv --quiet --clear "$venv"
VIRTUAL_ENV=$(cd "$venv" && pwd)
export VIRTUAL_ENV
"$uv" pip install --quiet "torch==$torch" "$built"/fggp-*.whl
echo "pip install fggp installs, besides the CUDA packages of PyTorch:"
"$uv" pip list --quiet | grep -vE '^(nvidia-|cuda-|triton|Package|-)'
# Before the packages of the tests are installed: the pruner in a loop, and the verbs that need no study.
cd "$built"
"$VIRTUAL_ENV/bin/python" - <<'SCRIPT'
import torch
from torch import nn

import fggp

model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 4))
optimizer = torch.optim.AdamW(model.parameters())
pruner = fggp.Pruner(model, optimizer, fggp.method("fggp", sparsity=0.9, steps=100))
for _ in range(100):
    nn.functional.cross_entropy(model(torch.randn(32, 16)), torch.randint(4, (32,))).backward()
    optimizer.step()
    pruner.step()
    optimizer.zero_grad()
fggp.pack(model, "model.fggp")
model.load_state_dict(fggp.unpack("model.fggp"))
print(f"pruned, packed and unpacked: sparsity {pruner.sparsity:.4f}")
SCRIPT
"$VIRTUAL_ENV/bin/fggp" --version
"$VIRTUAL_ENV/bin/fggp" unpack model.fggp model.safetensors
"$VIRTUAL_ENV/bin/fggp" methods | grep -c '^[a-z].*: ' | sed 's/$/ methods/'
"$uv" pip install --quiet pytest pytest-xdist filelock packaging pillow pyyaml scikit-learn tqdm torchvision
