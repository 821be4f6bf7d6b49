"""Data sets: prepared once into one file, split once, and batched on the device.

Batches need torch and are in ``fggp.data.batches``; everything named here imports without it.
"""

from fggp.data.dataset import DataError, Dataset, load, save
from fggp.data.listing import Changes, changes
from fggp.data.preparation import check_source, prepare
from fggp.data.registry import SOURCES
from fggp.data.shared_images import shared_words
from fggp.data.split import split

__all__ = [
    "SOURCES",
    "Changes",
    "DataError",
    "Dataset",
    "changes",
    "check_source",
    "load",
    "prepare",
    "save",
    "shared_words",
    "split",
]
