"""Find pickles: files that can run code when they are read, and so have no place in what is published or downloaded."""

import ast
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

import numpy as np

__all__ = ["PICKLE_PATTERNS", "find_pickles", "is_pickle_name"]

_ENDINGS: Final = (".bin", ".ckpt", ".dill", ".joblib", ".p", ".pickle", ".pkl", ".pt", ".pth")

PICKLE_PATTERNS: Final = tuple(f"*{ending}" for ending in _ENDINGS)
"""Names that pickles usually have, as patterns of the hub's client."""

_NUMPY: Final = b"\x93NUMPY"

_LONGEST_HEADER: Final = 1 << 16

_PROTOCOLS: Final = tuple(bytes((0x80, version)) for version in range(2, 6))


def is_pickle_name(name: str) -> bool:
    """Whether a file is called as pickles usually are."""
    return name.lower().endswith(_ENDINGS)


def find_pickles(files: Iterable[Path]) -> list[Path]:
    """Return those that are pickles, or hold one: archives, and numpy's arrays of objects; by their name or by their first bytes."""
    return [file for file in files if is_pickle_name(file.name) or _holds_pickle(file)]


def _holds_pickle(file: Path) -> bool:
    with file.open("rb") as opened:
        if not opened.read(4).startswith(b"PK"):
            opened.seek(0)
            return _is_pickle(opened)
    try:
        with zipfile.ZipFile(file) as archive:
            return any(is_pickle_name(name) or _is_pickled_member(archive, name) for name in archive.namelist())
    except zipfile.BadZipFile:
        return False


def _is_pickled_member(archive: zipfile.ZipFile, name: str) -> bool:
    try:
        with archive.open(name) as opened:
            return _is_pickle(opened)
    except (RuntimeError, NotImplementedError):  # under a password, or packed in a way that nothing here reads
        return False


def _is_pickle(opened: IO[bytes]) -> bool:
    start = opened.read(len(_NUMPY) + 2)
    if not start.startswith(_NUMPY):
        return start.startswith(_PROTOCOLS)
    # The header is a dictionary in words; the type of an array of Python objects, or of a record with some, has the letter O.
    length = int.from_bytes(opened.read(2 if start[-2] == 1 else 4), "little")
    try:
        values = ast.literal_eval(opened.read(min(length, _LONGEST_HEADER)).decode("latin-1").strip())
        return bool(np.dtype(values["descr"]).hasobject)
    except (ValueError, SyntaxError, TypeError, KeyError):
        return True  # whatever it is, numpy did not write it
