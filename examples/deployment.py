"""A pruned network in use: train, pack, load, compile, time."""

import tempfile
import time

import torch
from sklearn.datasets import load_digits
from torch import nn

import fggp

torch.manual_seed(0)
torch.set_num_threads(1)
digits = load_digits()
images, labels = torch.tensor(digits.images / 16).float()[:, None], torch.tensor(digits.target)
train, test = torch.randperm(len(images)).split([1200, 597])
epochs, batches = 15, train.split(50)


def network() -> nn.Module:
    """Return a fresh network of two convolutions."""
    one, two = nn.Conv2d(1, 64, 3, padding=1), nn.Conv2d(64, 64, 3, padding=1)
    middle = (nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2))
    last = (nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(one, *middle, two, *last, nn.Linear(64, 10))


model = network()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
method = fggp.method("fggp", sparsity=0.95, steps=epochs * len(batches))
pruner = fggp.Pruner(model, optimizer, method)
for _ in range(epochs):
    for batch in batches:
        nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()

with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
    print(f"packed: {fggp.pack(model, f'{folder}/digits.fggp', positive_zeros=True)} bytes")
    fast = fggp.compile(f"{folder}/digits.fggp", into=network())
    for name, call in {"dense": model.eval(), "compiled": fast}.items():
        call(images[:1])  # the first call generates the code
        start = time.perf_counter()
        for image in images[test].split(1):
            call(image)
        print(f"{name}: {1000 * (time.perf_counter() - start) / len(test):.3f} ms an image")
    accuracy = (fast(images[test]).argmax(1) == labels[test]).float().mean()
print(f"accuracy {accuracy:.3f}, sparsity {pruner.sparsity:.4f}")
