"""Networks from outside the package: from torchvision, timm, or a module next to the study.

A study names the source of such a network: ``torchvision`` or ``timm``, from which it takes the
network with the name in the study (``torchvision:wide_resnet50_2`` gives the full name), or
``module:function``. That module is a file next to the study, or else an installed one. Its function
gets ``classes``, the number of outputs, and, if it accepts them, ``width``, the factor on the
channels, and ``side``, the pixels along the side of an image, all by keyword. It returns a module
that takes ``(B, 3, H, W)`` and returns ``(B, classes)`` raw logits.

Files are imported in this process, and named in an environment variable for the trainings that this
process starts.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
from collections.abc import Callable, Iterable
from fractions import Fraction
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fggp.foundation.errors import Failure
from fggp.foundation.python_files import import_file, in_one_line, pass_on, passed_on, source_of
from fggp.foundation.validation import nearest

if TYPE_CHECKING:
    from torch import nn

VARIABLE = "FGGP_NETWORKS"
"""The environment variable with the absolute paths of the files of networks."""
INSTALL = {"torchvision": "pip install torchvision", "timm": "pip install timm"}
"""Libraries of networks, and the commands that install them."""
SOURCE = re.compile(r"(?:torchvision|timm)(?::[\w.]+)?|[^\x00:]+:[A-Za-z_]\w*")
FORMS = 'torchvision, timm, torchvision:NAME, timm:NAME or "module:function"'
_FILES: dict[str, list[Path | None]] = {}
"""The files of networks by the name that results record, the latest last; None is the installed
module of that name."""
_IMPORTED: dict[Path, Any] = {}


class Source(NamedTuple):
    """The source of a network: a library or a module, and the name of its function."""

    module: str
    function: str

    @classmethod
    def of(cls, name: str, source: str) -> Source:
        """Return the source of the network that a study calls ``name``."""
        module, function = divided(source)
        return cls(module, function or name)

    @property
    def library(self) -> bool:
        """Whether it is torchvision or timm."""
        return self.module in INSTALL

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


def divided(source: str) -> tuple[str, str]:
    """Return the module and the function of a source; the path of a module may have colons."""
    module, colon, function = source.rpartition(":")
    return (module, function) if colon else (source, "")


def check_source(source: str) -> str:
    """Return a source unchanged; raises ValueError if it is not valid."""
    if not SOURCE.fullmatch(source):
        raise ValueError(f"{source!r} is not a source of networks; use {FORMS}")
    return source


def locate(source: str, folder: Path) -> str:
    """Return a source with the path of the file of its module, relative to here, if it has one.

    The file is found by its module from then on, here and in the processes that this one starts.

    Args:
        source: source as in a study.
        folder: folder of the study.

    Raises:
        Failure: if there is neither such a file nor an installed module, or if results would record
            the network under the same name as one from another file; one line.

    """
    module, function = divided(source)
    if module in INSTALL:
        return source
    inside = module if module.endswith(".py") else f"{module.replace('.', '/')}.py"
    path = folder / inside
    if path.is_file():
        _check_alone(path.stem, _absolute(path))
        register_files([path])
        return f"{Path(os.path.relpath(path)).as_posix()}:{function}"
    if module.endswith(".py") or not _installed(module):
        raise Failure(f"{path}: no such file, and {module!r} is not an installed module")
    _check_alone(module, None)
    _FILES[module] = [None]
    return source


def recorded(source: str) -> str:
    """Return a source without the folder of its file: ``mine:build`` for ``work/mine.py:build``."""
    module, function = divided(source)
    name = Path(module).stem if module.endswith(".py") else module
    return f"{name}:{function}" if function else name


def register_files(files: Iterable[Path]) -> None:
    """Let modules be found by their names, here and in the processes that this one starts.

    Several studies can be read one after another: a file with the name of an earlier one is
    registered too, but `make` then refuses networks of this name.

    Args:
        files: the files of networks of one study.

    Raises:
        Failure: if two of them have the same name; one line.

    """
    own: dict[str, Path] = {}
    for path in map(_absolute, files):
        if not _same(own.setdefault(path.stem, path), path):
            raise _ambiguous(path.stem, own[path.stem], path)
    for name, path in own.items():
        _FILES[name] = [*_others(name, path), path]
    if _FILES:
        latest = [found[-1] for found in _FILES.values()]
        pass_on(VARIABLE, (it for it in latest if it is not None))


def _absolute(path: Path) -> Path:
    """Return an absolute path; a link to a file keeps its own name, which results record."""
    return path.parent.resolve() / path.name


def _others(name: str, path: Path | None) -> list[Path | None]:
    """Return what else has a name, except files that are gone."""
    found = _FILES.get(name, [])
    return [it for it in found if not _same(it, path) and (it is None or it.is_file())]


def _same(one: Path | None, other: Path | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.resolve() == other.resolve()


def _check_alone(name: str, path: Path | None) -> None:
    """Raise Failure if something else has the name of a file, or of an installed module (None)."""
    if name in INSTALL:
        raise Failure(f"{path} has the same name as the library {name}; rename the file")
    for other in _others(name, path):
        raise _ambiguous(name, other, path)


def _ambiguous(name: str, *places: Path | None) -> Failure:
    one, other = (f"the installed module {name}" if it is None else str(it) for it in places)
    return Failure(
        f"{one} and {other} have the same name, by which results record a network; rename one"
    )


def takes_width(name: str, source: str) -> bool:
    """Whether a network can be made wider or narrower; raises Failure as `make` does."""
    found = Source.of(name, source)
    return not found.library and "width" in _keywords(_function(found))


def make(
    name: str, source: str, *, width: Fraction, classes: int, side: int, stem: str | None
) -> nn.Module:
    """Return a network with fresh weights.

    Args:
        name: name in the study, in a to z and 0 to 9.
        source: source as in the study or in a cell.
        width: factor on the channels, if the function accepts it.
        classes: number of outputs.
        side: pixels along the side of an image, if the function accepts it.
        stem: "small" gives a ResNet of a library the first layers for small images, see
            `use_small_stem`.

    Raises:
        Failure: if it cannot be made; one line that names the network.

    """
    found = Source.of(name, source)
    function = _function(found)
    try:
        if found.library:
            made = function(classes)
        else:
            offered: dict[str, Any] = {"classes": classes, "width": width, "side": side}
            taken = _keywords(function)
            made = function(**{key: it for key, it in offered.items() if key in taken})
    except (Exception, SystemExit) as error:
        raise Failure(f"{found} cannot be made ({in_one_line(error)})") from error
    return use_small_stem(made, str(found)) if stem == "small" else made


def use_small_stem(model: nn.Module, name: str) -> nn.Module:
    """Give a ResNet a first convolution of 3×3 with stride 1, and no max-pooling, in place.

    ResNets are used in this form on images of 32×32 pixels, which the layers for ImageNet reduce
    to 8×8. Raises Failure for a network without ``conv1`` and ``maxpool``.
    """
    from torch import nn

    first: Any = getattr(model, "conv1", None)
    if not isinstance(first, nn.Conv2d) or not hasattr(model, "maxpool"):
        raise Failure(f"{name} has no `conv1` and `maxpool` to replace; leave out `stem`")
    convolution = nn.Conv2d(3, first.out_channels, 3, padding=1, bias=first.bias is not None)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    model.conv1, model.maxpool = convolution, nn.Identity()
    return model


def origin(name: str, source: str) -> dict[str, str]:
    """Return the record for results: the source, and the digest of its file or its version."""
    found = Source.of(name, source)
    if found.library:
        return {"source": str(found), "version": version(found.module)}
    path = _path(found.module) or Path(str(import_module(found.module).__file__))
    return {"source": str(found), "sha256": hashlib.sha256(source_of(path)).hexdigest()}


def network_files() -> list[Path]:
    """Return the files of networks that were imported here, in order."""
    return list(_IMPORTED)


def _function(found: Source) -> Callable[..., Any]:
    if found.library:
        return _of_library(found)
    path = _path(found.module)
    module = _import_installed(found.module) if path is None else _import(path)
    function = getattr(module, found.function, None)
    if callable(function):
        if "classes" not in _keywords(function):
            raise Failure(f"{found} takes no `classes`; write def {found.function}(classes)")
        return function  # type: ignore[no-any-return]
    own = [key for key, it in vars(module).items() if callable(it) and not key.startswith("_")]
    raise Failure(f"{path or found.module} has no {found.function!r}{nearest(found.function, own)}")


def _of_library(found: Source) -> Callable[[int], nn.Module]:
    try:
        library = import_module("torchvision.models" if found.module == "torchvision" else "timm")
    except ImportError as error:
        fix = INSTALL[found.module]
        raise Failure(f"{found.module} cannot be imported ({in_one_line(error)}); {fix}") from error
    keyword: dict[str, Any]
    if found.module == "torchvision":
        names, keyword = library.list_models(module=library), {"weights": None}
        create = library.get_model
    else:
        names, keyword = library.list_models(), {"pretrained": False}
        create = library.create_model
    wanted = _plain(found.function)
    fitting = [it for it in names if it == found.function] or [
        it for it in names if _plain(it) == wanted
    ]
    if len(fitting) != 1:
        hint = f"; write {found.module}:{fitting[0]}" if fitting else nearest(found.function, names)
        raise Failure(f"{found.module} has no network {found.function!r}{hint}")
    return lambda classes: create(fitting[0], num_classes=classes, **keyword)


def _plain(name: str) -> str:
    """Return a name as in studies: ``mobilenetv2`` for ``mobilenet_v2``."""
    return re.sub("[^a-z0-9]", "", name.lower())


def _keywords(function: Callable[..., Any]) -> set[str]:
    parameters = inspect.signature(function).parameters.values()
    return {it.name for it in parameters if it.kind in {it.POSITIONAL_OR_KEYWORD, it.KEYWORD_ONLY}}


def _path(module: str) -> Path | None:
    """Return the file of a module that a study named, if one did; raises Failure if two did."""
    name = Path(module).stem if module.endswith(".py") else module
    if name in _FILES:
        latest = _FILES[name][-1]
        for other in _others(name, latest):
            raise _ambiguous(name, other, latest)
        return latest
    return {path.stem: path for path in passed_on(VARIABLE)}.get(name)


def _installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def _import_installed(module: str) -> Any:
    try:
        return import_module(module)
    except (Exception, SystemExit) as error:
        raise Failure(
            f"the module {module!r} of a network cannot be imported ({in_one_line(error)}); put "
            "its file next to the study, and name the study by its file"
        ) from error


def _import(path: Path) -> Any:
    """Import a file as a separate module, once."""
    if path not in _IMPORTED:
        name = f"fggp_network_{len(_IMPORTED)}_{path.stem}"
        _IMPORTED[path] = import_file(path, name, "no such file of networks")
    return _IMPORTED[path]
