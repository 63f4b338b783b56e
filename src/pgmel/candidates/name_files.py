"""A name index on disk: ``names.json``, and ``names.safetensors`` with the row of each name and the names of each n-gram.

``names.json`` holds a digest, so that damage is noticed before a damaged file is used.
"""

from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from scipy import sparse

from pgmel.candidates.name_grams import NUM_BUCKETS
from pgmel.errors import DataError, IndexFileError
from pgmel.files import atomic_folder, encode_json, hash_file, read_json

__all__ = ["FORMAT_VERSION", "StoredNames", "read_names", "write_names"]

FORMAT_VERSION: Final = 1
"""Changes with the files and with what n-grams a name has."""

_CARD: Final = "names.json"
_ARRAYS: Final = "names.safetensors"
_NAMED: Final = ("owners", "buckets", "counts", "names")


class StoredNames(NamedTuple):
    """What a name index consists of.

    Attributes:
        postings: (buckets, names) sparse rows, an entry where a name has an n-gram of that bucket.
        owners: (names,) int32, the KB row of each name's entity.
        fingerprint: Names the KB's content.
    """

    postings: sparse.csr_matrix
    owners: npt.NDArray[np.int32]
    fingerprint: str


class _Card(msgspec.Struct, frozen=True):
    format_version: int
    names: int
    fingerprint: str
    digest: str


def write_names(folder: Path, names: StoredNames) -> None:
    """Write a name index atomically; an old one is replaced.

    Raises:
        IndexFileError: If it cannot be written.
    """
    from safetensors.numpy import save_file

    counts = np.diff(names.postings.indptr)
    buckets = np.flatnonzero(counts)
    arrays = {"owners": names.owners, "buckets": buckets, "counts": counts[buckets], "names": names.postings.indices}
    try:
        with atomic_folder(folder) as part:
            save_file({name: array.astype(np.int32) for name, array in arrays.items()}, part / _ARRAYS)
            card = _Card(FORMAT_VERSION, len(names.owners), names.fingerprint, hash_file(part / _ARRAYS))
            (part / _CARD).write_bytes(encode_json(card))
    except (OSError, SafetensorError) as error:
        raise IndexFileError(f"the name index {folder} cannot be written: {error}") from None


def read_names(folder: Path) -> StoredNames:
    """Read a name index.

    Raises:
        IndexFileError: If a file is missing, damaged or of another version.
    """
    card = _read_card(folder)
    owners, buckets, counts, names = _read_arrays(folder, card)
    if len(owners) != card.names or len(buckets) != len(counts) or counts.sum() != len(names):
        raise _damaged(folder, f"the sizes in {_ARRAYS} and {_CARD} do not go together")
    # Matrix products trust these numbers, and would read other memory.
    if not _within(owners, None) or not _within(buckets, NUM_BUCKETS) or not _within(names, card.names) or (np.diff(buckets) <= 0).any():
        raise _damaged(folder, f"{_ARRAYS} holds numbers out of range")
    per_bucket = np.zeros(NUM_BUCKETS, dtype=np.int64)
    per_bucket[buckets] = counts
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(per_bucket)])
    postings = sparse.csr_matrix((np.ones(len(names), dtype=np.int8), names, starts), shape=(NUM_BUCKETS, card.names))
    return StoredNames(postings, owners, card.fingerprint)


def _read_card(folder: Path) -> _Card:
    if not folder.is_dir():
        raise IndexFileError(f"the name index {folder} does not exist; build the bundle again")
    try:
        value = read_json(folder / _CARD)
    except DataError as error:
        raise _damaged(folder, str(error)) from None
    version = value.get("format_version") if isinstance(value, dict) else None
    if version != FORMAT_VERSION:
        raise IndexFileError(
            f"the name index {folder} has format version {version}, this pgmel reads version {FORMAT_VERSION}; build the bundle again"
        )
    try:
        return msgspec.convert(value, _Card)
    except msgspec.ValidationError as error:
        raise _damaged(folder, f"{_CARD}: {error}") from None


def _read_arrays(folder: Path, card: _Card) -> list[npt.NDArray[Any]]:
    from safetensors.numpy import load_file

    try:
        if hash_file(folder / _ARRAYS) != card.digest:
            raise _damaged(folder, f"{_ARRAYS} is not the file that was written")
        found = load_file(folder / _ARRAYS)
    except FileNotFoundError:
        raise _damaged(folder, f"{_ARRAYS} is missing") from None
    except (OSError, SafetensorError) as error:
        raise _damaged(folder, f"{_ARRAYS} cannot be read: {error}") from None
    arrays = [found.get(name, np.empty((0, 0))) for name in _NAMED]
    if any(array.dtype != np.int32 or array.ndim != 1 for array in arrays):
        raise _damaged(folder, f"{_ARRAYS} does not hold {', '.join(_NAMED)} as 32-bit integers")
    return arrays


def _within(values: npt.NDArray[Any], end: int | None) -> bool:
    return not len(values) or bool(values.min() >= 0 and (end is None or values.max() < end))


def _damaged(folder: Path, fault: str) -> IndexFileError:
    return IndexFileError(f"the name index {folder} is damaged: {fault}; copy or build the bundle again")
