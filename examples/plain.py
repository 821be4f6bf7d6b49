"""The pruner in a plain PyTorch loop."""

import torch
from sklearn.datasets import load_digits
from torch import nn

import fggp

torch.manual_seed(0)
digits = load_digits()
images, labels = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
train, test = torch.randperm(len(images)).split([1200, 597])
epochs, batches = 20, train.split(50)

model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

steps = epochs * len(batches)
method = fggp.method("fggp", sparsity=0.95, initial_sparsity=0.5, steps=steps)
pruner = fggp.Pruner(model, optimizer, method)

for _ in range(epochs):
    for batch in batches:
        loss = nn.functional.cross_entropy(model(images[batch]), labels[batch])
        loss.backward()
        optimizer.step()
        pruner.step()
        optimizer.zero_grad()

with torch.no_grad():
    accuracy = (model(images[test]).argmax(1) == labels[test]).float().mean()
print(f"accuracy {accuracy:.3f}, sparsity {pruner.sparsity:.4f}")
