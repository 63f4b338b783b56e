"""Tell whether a data set is still the one that a run was made with."""

import hashlib
import os
from pathlib import Path
from typing import Final

__all__ = ["fingerprint_data"]

_PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".svg"})


def fingerprint_data(path: Path) -> str:
    """Return a digest of a data set's files: of the content of all but pictures, and of the names and sizes of pictures."""
    digest = hashlib.blake2b(digest_size=16)
    for file in _files(path):
        name = file.name if path.is_file() else file.relative_to(path).as_posix()
        digest.update(f"{name}\n{file.stat().st_size}\n".encode())
        if file.suffix.lower() not in _PICTURES:
            with file.open("rb") as handle:
                digest.update(hashlib.file_digest(handle, "blake2b").digest())
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (Path(folder) / name for folder, _, names in os.walk(path) for name in names if not name.startswith("."))
    return sorted(file for file in found if file.is_file())
