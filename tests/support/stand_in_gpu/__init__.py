"""A stand-in GPU: its tensors compute on the CPU and say that they are elsewhere.

What a GPU changes about a training is not its numbers but where they are and when the host learns
them. The stand-in has all of that, and the numbers of the CPU:

- an operation that mixes its tensors with those of the CPU raises `Misplaced`;
- operations whose result the host waits for are counted (`GPU.waits`), so are copies from the host;
- work can be recorded through the interface of `torch.cuda` and is replayed on fixed memory without
  running Python again, so that all that a CUDA graph bakes in is baked in here too, and a recording
  that would read freed memory raises `Freed`;
- memory is counted, has pools for recordings, and runs out at a limit (`GPU.memory`).

It is PyTorch's private backend under the name ``stand_in``: `GPU.device` works wherever a device
does. A training on it comes to the bytes of the CPU, or something is wrong with the training.
"""

from stand_in_gpu.backend import stand_in_gpu
from stand_in_gpu.device import GPU
from stand_in_gpu.graphs import Freed
from stand_in_gpu.launch import Misplaced

__all__ = ["GPU", "Freed", "Misplaced", "stand_in_gpu"]
