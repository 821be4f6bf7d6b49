"""The pruner as a callback of the Trainer of transformers."""

from tempfile import TemporaryDirectory

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import random_split
from transformers import Trainer, TrainerCallback, TrainingArguments

import fggp


class Prune(TrainerCallback):
    """Prunes the model of the trainer; its state is in the trainer's checkpoints."""

    def __init__(self, name, **settings):
        self.name, self.settings = name, settings

    def on_train_begin(self, args, state, control, model, optimizer, **kwargs):
        method = fggp.method(self.name, steps=state.max_steps, **self.settings)
        saved = torch.load(self.file(args, state)) if state.global_step else None
        self.pruner = fggp.Pruner(model, optimizer, method, state=saved)
        self.pruner.attach()

    def on_save(self, args, state, control, **kwargs):
        torch.save(self.pruner.state_dict(), self.file(args, state))

    def on_step_begin(self, args, state, control, **kwargs):
        # The best model is one from after the last update, which has the target sparsity.
        state.best_metric = state.best_metric if self.pruner.settled else None

    def file(self, args, state):
        return f"{args.output_dir}/checkpoint-{state.global_step}/pruner.pt"


class Digits(nn.Module):
    """A small network that returns its loss, as the trainer expects."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))

    def forward(self, x, labels):
        logits = self.net(x.float() / 16)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


if __name__ == "__main__":
    torch.manual_seed(0)
    model, folder, prune = Digits(), TemporaryDirectory(), Prune("fggp", sparsity=0.95)
    rows = [{"x": x, "labels": y} for x, y in zip(*load_digits(return_X_y=True), strict=True)]
    train, test = random_split(rows, [1200, 597])
    options = {"num_train_epochs": 20, "per_device_train_batch_size": 50, "learning_rate": 0.01}
    arguments = TrainingArguments(folder.name, use_cpu=True, save_strategy="no", **options)
    trainer = Trainer(model, arguments, train_dataset=train, callbacks=[prune])
    trainer.train()
    logits, y, _ = trainer.predict(test)
    print(f"accuracy {(logits.argmax(1) == y).mean():.3f}, sparsity {prune.pruner.sparsity:.4f}")
