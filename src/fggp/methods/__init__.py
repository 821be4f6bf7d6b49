"""All methods, one file each; a new file in this folder is found automatically.

Methods from outside the package are registered after them, see `fggp.methods.plugins`.
"""

from importlib import import_module
from pkgutil import iter_modules

from fggp.methods.plugins import load_given_plugins
from fggp.methods.registry import METHODS, Definition, find, method, register

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
load_given_plugins()

__all__ = ["METHODS", "Definition", "find", "method", "register"]
