"""The blocks of a result file, key by key, with their types and in the order of the file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from fggp.study.verdict import COMPLETED, FAILURES

MOST_SHARE = 1.2
"""Of a measured peak. Above it, the peak is wrong: others used the device meanwhile."""

THEN = ", then "
"""Separates the names of devices that trained one after the other."""

AtLeast0 = Annotated[int, Field(ge=0)]
AtLeast1 = Annotated[int, Field(ge=1)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Real = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _known(verdict: str) -> str:
    if verdict != COMPLETED and verdict not in FAILURES:
        raise ValueError(f"{verdict!r} is not one of {', '.join([COMPLETED, *FAILURES])}")
    return verdict


Verdict = Annotated[str, AfterValidator(_known)]


class Block(BaseModel):
    """A part of a result; keys added later are accepted, other types are not."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    def plain(self) -> dict[str, Any]:
        """Return the block as plain JSON data, with only the keys that it was made with."""
        return self.model_dump(exclude_unset=True)


class ImageCounts(Block):
    """Numbers of images; there may be none for validation."""

    train: AtLeast1
    validation: AtLeast0
    test: AtLeast1


class View(Block):
    """An epoch, and the correct test images there."""

    epoch: AtLeast1
    correct: AtLeast0


class Accuracy(Block):
    """The views of `fggp.study.accuracy_views`; without validation images there are two."""

    last: View
    best_validation: View | None = None
    best_test: View


class Epoch(Block):
    """One epoch; the loss is null where it was not finite."""

    epoch: AtLeast1
    lr: Real
    train_loss: Real | None
    validation_correct: AtLeast0
    test_correct: AtLeast0
    kept: AtLeast0


class MaskUpdate(Block):
    """One recorded mask update, ``kept`` layer by layer; older results lack the last three."""

    update: AtLeast1
    step: AtLeast1
    kept: list[AtLeast0]
    dropped: AtLeast0 | None = None
    grown: AtLeast0 | None = None
    explored: AtLeast0 | None = None


class LayerCounts(Block):
    """One prunable tensor at the end; older results lack the multiplications of one image."""

    name: str
    shape: list[AtLeast1] = Field(min_length=2)
    kept: AtLeast0
    nonzero: AtLeast0
    macs: AtLeast0 | None = None


class DeadNeurons(Block):
    """Channels of one call of a ReLU that are zero for every test image."""

    name: str
    call: AtLeast1
    dead: AtLeast0
    channels: AtLeast1


class Stopped(Block):
    """The planned length of a training that failed, and its empty layers."""

    epochs: AtLeast1
    empty_layers: list[str] | None = None


class Outcome(Block):
    """The outcome of a cell; optional keys are absent in older results."""

    numerics: AtLeast1
    verdict: Verdict
    stopped: Stopped | None = None
    images: ImageCounts
    steps_per_epoch: AtLeast1
    prunable: AtLeast1
    target: AtLeast0
    accuracy: Accuracy
    epochs: list[Epoch] = Field(min_length=1)
    updates: list[MaskUpdate]
    layers: list[LayerCounts] = Field(min_length=1)
    explored: AtLeast0 | None = None
    dense_macs: AtLeast0 | None = None
    inference_macs: AtLeast0 | None = None
    training_macs: AtLeast0 | None = None
    dead_neurons: list[DeadNeurons] | None = None
    weights_sha256: Digest

    @property
    def completed(self) -> bool:
        """Whether the training ran to its end."""
        return self.verdict == COMPLETED

    @property
    def kept(self) -> int:
        """The number of weights that the masks keep at the end."""
        return sum(layer.kept for layer in self.layers)


class Host(Block):
    """The class of machine, never its name."""

    system: str
    machine: str
    cores: AtLeast1 | None


class Versions(Block):
    """Versions of the software that determines the bits of a result."""

    python: str
    fggp: str
    numpy: str | None = None
    torch: str
    torchvision: str | None = None


class TorchBuild(Block):
    """The full version of PyTorch, "2.15.0+cu132", its CUDA and cuDNN; no cuDNN on a CPU."""

    version: str
    cuda: str | None
    cudnn: int | None


class GpuUse(Block):
    """The driver of a GPU, its peak memory, and the steps replayed from a CUDA graph."""

    driver: str | None
    peak_memory_mb: AtLeast0 | None
    replayed_steps: AtLeast0


class NetworkOrigin(Block):
    """The origin of a network from outside the package: a version, or the digest of its file."""

    source: str
    version: str | None = None
    sha256: Digest | None = None


class Provenance(Block):
    """Place, time and software of a training; older results lack speed, energy, build and GPU use.

    ``device_names`` are those of all devices that trained, in order, ``device_name`` the last one.
    """

    started: str
    finished: str
    seconds: Real
    peak_memory_mb: AtLeast0
    device: Literal["cpu", "cuda"]
    device_name: str
    device_names: list[str] | None = Field(default=None, min_length=1)
    host: Host
    versions: Versions
    torch_build: TorchBuild | None = None
    gpu: GpuUse | None = None
    code_sha256: Digest
    network: NetworkOrigin | None = None
    energy_joules: Real | None = None
    counter_joules: Real | None = None
    energy_shared: bool | None = None
    images_per_second: Real | None = None
    peak_gflops: Real | None = None
    share_of_peak: Annotated[float, Field(ge=0, le=MOST_SHARE, allow_inf_nan=False)] | None = None

    @property
    def devices(self) -> str:
        """The names of the devices that trained, in order, as text."""
        return THEN.join(self.device_names or [self.device_name])

    @property
    def moved(self) -> bool:
        """Whether devices of different names trained, whose bits differ."""
        return len(set(self.device_names or ())) > 1
