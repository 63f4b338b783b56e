"""An index on disk: ``index.json``, ``vectors.npy`` (float16), if compressed ``compressed.faiss``, and ``holes.npy`` if rows are empty.

``index.json`` holds sizes and digests, so that damage is noticed before a damaged file is used.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, IndexFileError
from pgmel.files import atomic_folder, encode_json, hash_file, read_json

__all__ = ["FORMAT_VERSION", "StoredIndex", "read_index", "write_index"]

FORMAT_VERSION: Final = 1

_WITH_HOLES: Final = 2  # a reader that knows nothing of holes would find entities that were removed

_CARD: Final = "index.json"
_VECTORS: Final = "vectors.npy"
_COMPRESSED: Final = "compressed.faiss"
_HOLES: Final = "holes.npy"


@dataclass(frozen=True, slots=True)
class StoredIndex:
    """What an index consists of.

    ``vectors`` is (rows, dim); ``compressed`` is the FAISS index or None; ``fingerprint`` names the KB's content; ``holes`` are the rows
    without an entity, in rising order, which are never found.
    """

    vectors: npt.NDArray[np.float16]
    compressed: Any
    nprobe: int
    refine: int
    fingerprint: str
    holes: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))


class _Card(msgspec.Struct, frozen=True):
    format_version: int
    rows: int
    dim: int
    nprobe: int
    refine: int
    fingerprint: str
    digests: dict[str, str]


def write_index(folder: Path, index: StoredIndex) -> None:
    """Write an index atomically; an old one is replaced.

    Raises:
        IndexFileError: If it cannot be written.
    """
    try:
        with atomic_folder(folder) as part:
            np.save(part / _VECTORS, index.vectors, allow_pickle=False)
            names = [_VECTORS]
            if index.compressed is not None:
                import faiss

                faiss.write_index(index.compressed, str(part / _COMPRESSED))
                names.append(_COMPRESSED)
            if len(index.holes):
                np.save(part / _HOLES, index.holes, allow_pickle=False)
                names.append(_HOLES)
            rows, dim = index.vectors.shape
            digests = {name: hash_file(part / name) for name in names}
            version = _WITH_HOLES if len(index.holes) else FORMAT_VERSION
            card = _Card(version, rows, dim, index.nprobe, index.refine, index.fingerprint, digests)
            (part / _CARD).write_bytes(encode_json(card))
    except (OSError, RuntimeError) as error:
        raise IndexFileError(f"the index {folder} cannot be written: {error}") from None


def read_index(folder: Path, verify: bool) -> StoredIndex:
    """Read an index.

    Args:
        folder: What ``write_index`` wrote.
        verify: Whether to check the vectors of a compressed index too, which are otherwise left on disk.

    Raises:
        IndexFileError: If a file is missing, damaged or of another version.
    """
    card = _read_card(folder)
    holes = _read_holes(folder, card)
    compressed = None
    if _COMPRESSED in card.digests:
        # FAISS trusts what it reads; a damaged file could ask it for any amount of memory.
        _check_digest(folder, _COMPRESSED, card)
        compressed = _read_faiss(folder / _COMPRESSED)
        if compressed.ntotal != card.rows - len(holes):
            raise _damaged(folder, f"{_COMPRESSED} holds {compressed.ntotal} vectors, {_CARD} says {card.rows - len(holes)}")
    if compressed is None or verify:
        _check_digest(folder, _VECTORS, card)
    try:
        vectors = np.load(folder / _VECTORS, mmap_mode="r" if card.rows else None, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, f"{_VECTORS} cannot be read: {error}") from None
    if vectors.shape != (card.rows, card.dim) or vectors.dtype != np.float16:
        raise _damaged(folder, f"{_VECTORS} is {vectors.dtype} {vectors.shape}, {_CARD} says float16 ({card.rows}, {card.dim})")
    return StoredIndex(vectors, compressed, card.nprobe, card.refine, card.fingerprint, holes)


def _read_card(folder: Path) -> _Card:
    if not folder.is_dir():
        raise IndexFileError(f"the index {folder} does not exist; build it first or check the path")
    try:
        value = read_json(folder / _CARD)
    except DataError as error:
        raise IndexFileError(f"the index {folder} is damaged: {error}; copy or build it again") from None
    version = value.get("format_version") if isinstance(value, dict) else None
    if version not in (FORMAT_VERSION, _WITH_HOLES):
        raise IndexFileError(f"the index {folder} has format version {version}, this pgmel reads up to {_WITH_HOLES}; build it again")
    try:
        return msgspec.convert(value, _Card)
    except msgspec.ValidationError as error:
        raise _damaged(folder, f"{_CARD}: {error}") from None


def _read_holes(folder: Path, card: _Card) -> npt.NDArray[np.int64]:
    if _HOLES not in card.digests:
        return np.empty(0, dtype=np.int64)
    _check_digest(folder, _HOLES, card)
    try:
        holes: npt.NDArray[np.int64] = np.load(folder / _HOLES, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(folder, f"{_HOLES} cannot be read: {error}") from None
    inside = holes.dtype == np.int64 and holes.ndim == 1 and (not len(holes) or bool(holes[0] >= 0 and holes[-1] < card.rows))
    if not inside or (np.diff(holes) <= 0).any():
        raise _damaged(folder, f"{_HOLES} holds no rising rows below {card.rows}")
    return holes


def _read_faiss(path: Path) -> Any:
    import faiss

    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise _damaged(path.parent, f"{path.name} cannot be read: {str(error).splitlines()[-1]}") from None


def _check_digest(folder: Path, name: str, card: _Card) -> None:
    try:
        found = hash_file(folder / name)
    except FileNotFoundError:
        raise _damaged(folder, f"{name} is missing") from None
    except OSError as error:
        raise _damaged(folder, f"{name} cannot be read: {error.strerror}") from None
    if found != card.digests.get(name):
        raise _damaged(folder, f"{name} is not the file that was written")


def _damaged(folder: Path, fault: str) -> IndexFileError:
    return IndexFileError(f"the index {folder} is damaged: {fault}; copy or build it again")
