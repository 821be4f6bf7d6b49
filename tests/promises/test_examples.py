"""The examples run as a reader runs them; their callbacks continue a training bit by bit."""

import ast
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from lines_of_code import lines_of_code

pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDS = {
    "deployment": ["llvmlite"],
    "plain": [],
    "lightning_callback": ["lightning"],
    "hf_trainer": ["transformers", "accelerate"],
}
FRAMEWORKS = {"lightning_callback", "hf_trainer"}


def ready(name: str) -> None:
    """Skip where the extra that an example needs is not installed."""
    absent = [package for package in NEEDS[name] if find_spec(package) is None]
    if absent:
        pytest.skip(f"{', '.join(absent)} not installed: pip install -e '.[examples,fast]'")


def run(*command: str, folder: Path) -> str:
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.parametrize(
    "path",
    [pytest.param(it, marks=pytest.mark.slow if it.stem in FRAMEWORKS else ()) for it in EXAMPLES],
    ids=lambda path: path.stem,
)
def test_an_example_prints_accuracy_and_target_sparsity_and_leaves_nothing_behind(
    path: Path, tmp_path: Path
) -> None:
    ready(path.stem)
    text = path.read_text()
    target = float(re.findall(r"[^_]sparsity=([0-9.]+)", text)[0])
    last = run(str(path), folder=tmp_path).strip().splitlines()[-1]
    found = re.fullmatch(r"accuracy (\d\.\d{3}), sparsity (\d\.\d{4})", last)
    assert found is not None, last
    assert float(found[1]) > 0.9
    assert float(found[2]) == target == 0.95
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_has_less_than_40_lines_of_code(path: Path) -> None:
    text = path.read_text()
    assert lines_of_code(ast.parse(text), text.splitlines()) < 40


def test_every_example_is_in_the_readme_of_its_folder() -> None:
    text = (ROOT / "examples/README.md").read_text()
    assert [path.stem for path in EXAMPLES] == sorted(NEEDS)
    assert sorted(re.findall(r"^python (examples/\w+\.py)$", text, re.MULTILINE)) == [
        str(path.relative_to(ROOT)) for path in EXAMPLES
    ]


LIGHTNING = """
import lightning as L, torch
from fggp.pruning.timing import Timing
from lightning_callback import Digits, Prune
from torch.utils.data import DataLoader, TensorDataset

def trained(epochs, folder, checkpoint=None):
    L.seed_everything(0)
    images = torch.randn(200, 64, generator=torch.Generator().manual_seed(1))
    data = DataLoader(TensorDataset(images, torch.arange(200) % 10), 20)
    prune, model = Prune("granet", sparsity=0.9, initial_sparsity=0.5), Digits()
    prune.settings["timing"] = Timing(60, 0, 30, 5)
    trainer = L.Trainer(max_epochs=epochs, callbacks=[prune], accelerator="cpu", logger=False,
                        default_root_dir=folder, enable_progress_bar=False)
    trainer.fit(model, data, ckpt_path=checkpoint)
    if checkpoint is None:
        trainer.save_checkpoint(f"{folder}/last.ckpt")
    return prune.pruner, model

whole, model = trained(6, "whole")
trained(2, "part")
again, other = trained(6, "again", "part/last.ckpt")
"""

TRANSFORMERS = """
import torch
from fggp.pruning.timing import Timing
from hf_trainer import Digits, Prune
from transformers import Trainer, TrainingArguments

def trained(folder, checkpoint=None):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)
    rows = [{"x": torch.randn(64, generator=generator), "labels": i % 10} for i in range(200)]
    prune, model = Prune("granet", sparsity=0.9, initial_sparsity=0.5), Digits()
    prune.settings["timing"] = Timing(60, 0, 30, 5)
    arguments = TrainingArguments(
        folder, num_train_epochs=6, per_device_train_batch_size=20, use_cpu=True,
        save_strategy="epoch", report_to="none", disable_tqdm=True,
    )
    trainer = Trainer(model, arguments, train_dataset=rows, callbacks=[prune])
    trainer.train(resume_from_checkpoint=checkpoint)
    return prune.pruner, model

whole, model = trained("whole")
again, other = trained("whole", "whole/checkpoint-20")
"""

EQUAL = """
assert whole.steps == again.steps == 60
assert all(torch.equal(mask, again.masks[name]) for name, mask in whole.masks.items())
assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
assert sum(layer.kept for layer in again.layers()) == round((64 * 256 + 2560) * 0.1)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "script"), [("lightning_callback", LIGHTNING), ("hf_trainer", TRANSFORMERS)]
)
def test_a_training_that_a_framework_continues_gives_the_same_bits(
    name: str, script: str, tmp_path: Path
) -> None:
    ready(name)
    path = f"import sys; sys.path.insert(0, {str(ROOT / 'examples')!r})\n"
    assert run("-c", path + script + EQUAL, folder=tmp_path).endswith("equal\n")


BEST_OF_TRANSFORMERS = """
import torch, fggp
from hf_trainer import Digits, Prune
from transformers import Trainer, TrainingArguments

torch.manual_seed(0)
generator = torch.Generator().manual_seed(1)
rows = [{"x": torch.randn(64, generator=generator), "labels": i % 10} for i in range(200)]
prune, model = Prune("fggp", sparsity=0.95), Digits()
arguments = TrainingArguments(
    "best", num_train_epochs=8, per_device_train_batch_size=20, use_cpu=True, report_to="none",
    save_strategy="epoch", eval_strategy="epoch", load_best_model_at_end=True, disable_tqdm=True,
)
trainer = Trainer(model, arguments, train_dataset=rows, eval_dataset=rows[:50], callbacks=[prune])
losses = []

class Worse(fggp_callback):
    # The loss of early models is the best, as where pruning costs accuracy.
    def on_evaluate(self, args, state, control, metrics, **kwargs):
        losses.append(state.global_step)
        metrics["eval_loss"] = float(state.global_step)

trainer.add_callback(Worse())
trainer.train()
weights = torch.cat([p.detach().flatten() for p in model.parameters() if p.ndim > 1])
assert prune.pruner.sparsity == float((weights == 0).double().mean()), prune.pruner
assert abs(prune.pruner.sparsity - 0.95) < 1e-4
assert losses == list(range(10, 81, 10))
assert trainer.state.best_model_checkpoint.endswith("checkpoint-40")  # the last update is at 40
print("equal")
""".replace("fggp_callback", "__import__('transformers').TrainerCallback")

BEST_OF_LIGHTNING = """
import lightning as L, torch
from lightning_callback import Digits, Prune
from torch.utils.data import DataLoader, TensorDataset

L.seed_everything(0)
images = torch.randn(200, 64, generator=torch.Generator().manual_seed(1))
data = DataLoader(TensorDataset(images, torch.arange(200) % 10), 20)
prune, model = Prune("fggp", sparsity=0.95), Digits()
keep = L.pytorch.callbacks.ModelCheckpoint("best", "{step}", save_top_k=-1, every_n_epochs=1)
trainer = L.Trainer(max_epochs=8, callbacks=[prune, keep], accelerator="cpu", logger=False,
                    enable_progress_bar=False)
trainer.fit(model, data)

def zeros():
    weights = torch.cat([p.detach().flatten() for p in model.parameters() if p.ndim > 1])
    return float((weights == 0).double().mean())

assert abs(zeros() - 0.95) < 1e-4
for step, wanted in ((20, 0.7), (80, 0.95)):
    prune.restore(model, torch.load(f"best/step={step}.ckpt"))
    assert prune.pruner.sparsity == zeros()
    assert prune.pruner.steps == step
    assert (zeros() > 0.94) == (wanted == 0.95)
print("equal")
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "script"),
    [("lightning_callback", BEST_OF_LIGHTNING), ("hf_trainer", BEST_OF_TRANSFORMERS)],
)
def test_a_best_model_that_is_restored_is_as_sparse_as_is_claimed(
    name: str, script: str, tmp_path: Path
) -> None:
    ready(name)
    path = f"import sys; sys.path.insert(0, {str(ROOT / 'examples')!r})\n"
    said = run("-W", "error::RuntimeWarning", "-c", path + script, folder=tmp_path)
    assert said.endswith("equal\n")
