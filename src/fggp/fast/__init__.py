"""Sparse networks made fast on a CPU: `compile` turns a pruned network into machine code.

A network goes through `capture` (torch.fx → steps), `fuse` (steps that become one), `shapes`
(planes for one image size), `layout` (how each convolution reads its input), `schedule` (kernels
and their buffers), `program` (LLVM IR as text) and `machine_code` (by llvmlite).
"""
