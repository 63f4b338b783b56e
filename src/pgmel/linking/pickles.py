"""Find pickles: files that can run code when they are read, and so have no place in what is published or downloaded."""

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

__all__ = ["PICKLE_PATTERNS", "find_pickles", "is_pickle_name"]

_ENDINGS: Final = (".bin", ".ckpt", ".dill", ".joblib", ".p", ".pickle", ".pkl", ".pt", ".pth")

PICKLE_PATTERNS: Final = tuple(f"*{ending}" for ending in _ENDINGS)
"""Names that pickles usually have, as patterns of the hub's client."""

_PROTOCOLS: Final = tuple(bytes((0x80, version)) for version in range(2, 6))


def is_pickle_name(name: str) -> bool:
    """Whether a file is called as pickles usually are."""
    return name.lower().endswith(_ENDINGS)


def find_pickles(files: Iterable[Path]) -> list[Path]:
    """Return those that are pickles, or archives with one, by their name or by their first bytes."""
    return [file for file in files if is_pickle_name(file.name) or _holds_pickle(file)]


def _holds_pickle(file: Path) -> bool:
    with file.open("rb") as opened:
        start = opened.read(4)
    if start.startswith(b"PK"):
        try:
            with zipfile.ZipFile(file) as archive:
                return any(is_pickle_name(name) for name in archive.namelist())
        except zipfile.BadZipFile:
            return False
    return start.startswith(_PROTOCOLS)
