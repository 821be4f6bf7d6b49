"""The pruner as a callback of Lightning."""

import lightning as L
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import fggp


class Prune(L.Callback):
    """Prunes the model of the trainer; its state is in the trainer's checkpoints."""

    def __init__(self, name, **settings):
        self.name, self.settings, self.saved = name, settings, None

    def on_train_start(self, trainer, module):
        method = fggp.method(self.name, steps=trainer.estimated_stepping_batches, **self.settings)
        self.pruner = fggp.Pruner(module, trainer.optimizers[0], method, state=self.saved)
        self.pruner.attach()

    def state_dict(self):
        return self.pruner.state_dict()

    def load_state_dict(self, state):
        self.saved = state

    def restore(self, module, saved):
        """Load model and masks of a checkpoint, such as the best one, read by `torch.load`."""
        module.load_state_dict(saved["state_dict"])
        self.pruner.load_state_dict(saved["callbacks"][self.state_key])


class Digits(L.LightningModule):
    """An ordinary small network."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))

    def training_step(self, batch):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


if __name__ == "__main__":
    L.seed_everything(0)
    digits, model = load_digits(), Digits()
    data = TensorDataset(torch.tensor(digits.data / 16).float(), torch.tensor(digits.target))
    train, test = random_split(data, [1200, 597])
    prune = Prune("fggp", sparsity=0.95, initial_sparsity=0.5)
    trainer = L.Trainer(max_epochs=20, callbacks=[prune], accelerator="cpu", barebones=True)
    trainer.fit(model, DataLoader(train, 50, shuffle=True))
    x, y = test[:]
    accuracy = (model.net(x).argmax(1) == y).float().mean()
    print(f"accuracy {accuracy:.3f}, sparsity {prune.pruner.sparsity:.4f}")
