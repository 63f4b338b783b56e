"""Which state of the code a run was made by."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import pgmel
from pgmel.files import hash_bytes

__all__ = ["code_digest"]

_PARTS: Final = (
    "records.py",
    "pictures.py",
    "datasets",
    "features",
    "candidates",
    "models",
    "objectives",
    "negatives",
    "evaluation/metrics.py",
    "evaluation/ranks.py",
    "evaluation/top.py",
    "training",
    "workflows/assembling.py",
    "workflows/clusters.py",
    "workflows/material.py",
    "workflows/measuring.py",
    "workflows/neighbours.py",
    "workflows/preparation.py",
    "workflows/train.py",
    "workflows/compare/single.py",
)
"""Rooms and modules whose code a run's scores depend on: what reads, encodes, prepares, trains and ranks."""


@lru_cache(maxsize=1)
def code_digest() -> str:
    """Return a digest of the code that scores depend on, so that a table made by two states of it can say so.

    The files are read at the first call, which has to come when a process starts to work: it goes on with the code that it has loaded,
    whatever becomes of the files.
    """
    root = Path(pgmel.__file__).parent
    files = sorted(file for part in _PARTS for file in ((root / part).rglob("*.py") if (root / part).is_dir() else [root / part]))
    return hash_bytes(*(part for file in files for part in (file.relative_to(root).as_posix().encode(), file.read_bytes())))
