"""``pack`` and ``unpack``: the weights of a sparse model in a small file, bit for bit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from fggp.cli.verbs import verb
from fggp.foundation.errors import Failure


def add(verbs: Any) -> None:
    """Add the two verbs to the parser."""
    parser = verb(
        verbs,
        "pack",
        pack,
        "write the weights of a sparse model to a small file, bit for bit",
        "fggp pack vgg19.pt vgg19.fggp --positive-zeros",
    )
    _add_files(
        parser, "a state_dict: a torch checkpoint, or a .safetensors file", "the packed file"
    )
    parser.add_argument(
        "--positive-zeros",
        action="store_true",
        help="store the -0.0 values left by masking as +0.0: a much smaller file, the same outputs",
    )
    parser = verb(
        verbs,
        "unpack",
        unpack,
        "write a packed file as a state_dict",
        "fggp unpack vgg19.fggp vgg19.safetensors",
    )
    _add_files(parser, "a packed file", "a .safetensors or .pt file")


def pack(options: argparse.Namespace) -> int:
    """Pack a file of weights."""
    check_files(options)
    from fggp.storage.packing import pack
    from fggp.storage.state_dicts import read_weights

    state = read_weights(options.source)
    size = pack(state, options.out, positive_zeros=options.positive_zeros)
    times = options.source.stat().st_size / size
    print(f"{options.out}: {size:,} bytes, 1/{times:.1f} of {options.source}")
    return 0


def unpack(options: argparse.Namespace) -> int:
    """Unpack a packed file."""
    check_files(options)
    from fggp.storage.packing import unpack
    from fggp.storage.state_dicts import check_suffix, write_weights

    check_suffix(options.out)
    write_weights(unpack(options.source), options.out)
    print(options.out)
    return 0


def _add_files(parser: argparse.ArgumentParser, source: str, out: str) -> None:
    parser.add_argument("source", metavar="IN", type=Path, help=source)
    parser.add_argument("out", metavar="OUT", type=Path, help=out)


def check_files(options: argparse.Namespace) -> None:
    """Refuse an output that is the input or a folder."""
    if options.source.resolve() == options.out.resolve():
        raise Failure(f"{options.out}: input and output are the same file; give OUT another name")
    if options.out.is_dir():
        raise Failure(f"{options.out}: is a folder; give OUT the name of a file")
