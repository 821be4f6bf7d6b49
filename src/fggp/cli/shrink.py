"""``shrink``: a pruned network without the channels that have no effect."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fggp.cli.pack import check_files
from fggp.cli.verbs import verb


def add(verbs: Any) -> None:
    """Add the verb to the parser."""
    parser = verb(
        verbs,
        "shrink",
        do,
        "remove channels that have no effect: a smaller network of the same class and keys",
        "fggp shrink vgg19.fggp small.safetensors",
    )
    parser.epilog = (
        "For networks of fggp, recognized by the shapes of their weights; shrink others with\n"
        "fggp.shrink in Python. Outputs in evaluation mode differ only by rounding. Methods that\n"
        "prune whole filters shrink a network to its kept weights; masks of single weights free\n"
        "few channels. `fggp.compile`, `latency` and `pack` accept the smaller network.\n\n"
        f"{parser.epilog}"
    )
    parser.add_argument(
        "source", metavar="IN", type=Path, help="a packed file, or a state_dict (.pt, .safetensors)"
    )
    parser.add_argument("out", metavar="OUT", type=Path, help="a .fggp, .safetensors or .pt file")


def do(options: argparse.Namespace) -> int:
    """Write the smaller network and print how much was removed."""
    check_files(options)
    from fggp.fast.packed import LOAD, module_of
    from fggp.fast.shrinking import shrink
    from fggp.storage.packing import pack, unpack
    from fggp.storage.state_dicts import SUFFIXES, check_suffix, read_weights, write_weights

    packed = options.out.suffix == ".fggp"
    if not packed:
        check_suffix(options.out)
    read = read_weights if options.source.suffix in SUFFIXES else unpack
    fix = f"{LOAD}, and call fggp.shrink(module)"
    model = module_of(read(options.source), options.source, fix=fix)
    before = sum(p.numel() for p in model.parameters())
    smaller = shrink(model)
    if packed:
        pack(smaller, options.out, positive_zeros=True)
    else:
        write_weights(smaller.state_dict(), options.out)
    after = sum(p.numel() for p in smaller.parameters())
    print(f"{options.out}: {after:,} of {before:,} parameters")
    return 0
