"""The search structure over entity vectors; its rows are the KB's rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, Self, final

import numpy as np
import numpy.typing as npt

from pgmel.errors import IndexFileError
from pgmel.index.compressed import MIN_ROWS, build_compressed, change_compressed, search_compressed
from pgmel.index.exact import longest_vector, search_exact
from pgmel.index.ranking import score_pairs
from pgmel.index.storage import StoredIndex, read_index, write_index
from pgmel.registry import look_up

__all__ = ["KINDS", "EntityIndex"]

KINDS: Final = {
    "auto": "exact up to `exact_limit` entities, compressed beyond",
    "exact": "compares every vector",
    "ivfpq": "inverted lists with product quantisation, its finds scored again exactly",
}
"""The kinds that ``EntityIndex.build`` knows, with what each does."""

Kind = Literal["exact", "ivfpq"]


@final
class EntityIndex:
    """Vectors of all entities, searched by dot product.

    Vectors are kept and stored as float16, which changes a dot product of unit vectors by less than 0.001. Scores returned are exact dot
    products of what is stored: the same query has the same answer in any batch, on any number of threads, and after saving and loading.
    Several threads may search the same object.
    """

    def __init__(self, stored: StoredIndex) -> None:
        self._stored = stored
        self._live = None if not len(stored.holes) else np.delete(np.arange(len(stored.vectors)), stored.holes)
        # Exact search multiplies in float32; compressed search reads few rows, so its vectors may stay on disk.
        live = stored.vectors if self._live is None or stored.compressed is not None else stored.vectors[self._live]
        self._dense = live.astype(np.float32) if stored.compressed is None else None
        self._longest = longest_vector(stored.vectors) if stored.compressed is None else 0.0

    @classmethod
    def build(
        cls,
        vectors: npt.NDArray[np.floating],
        kind: str = "auto",
        exact_limit: int = 200_000,
        nprobe: int = 16,
        refine: int = 8,
        rng: np.random.Generator | None = None,
        fingerprint: str = "",
        holes: npt.NDArray[np.int64] | None = None,
    ) -> Self:
        """Build an index.

        Args:
            vectors: (rows, dim), one for each row of the KB; float16 is taken as it is, also from disk.
            kind: One of ``KINDS``. ``ivfpq`` over less than 1,024 rows is exact.
            exact_limit: Most rows for which ``auto`` stays exact.
            nprobe: Lists looked into by the compressed index.
            refine: Candidates scored exactly for each one asked of the compressed index.
            rng: Draws the rows that the compressed index is trained on; seed 0 if None.
            fingerprint: The KB's fingerprint, to notice later that the two belong together.
            holes: Rows that hold no entity, in rising order; they are never found.

        Raises:
            SettingError: If the kind is unknown.
            ValueError: If vectors is not two-dimensional or holds a value that is not finite.
        """
        look_up(KINDS, kind, "index.kind")
        if vectors.ndim != 2 or vectors.shape[1] == 0:
            raise ValueError(f"vectors must be (rows, dim), got shape {vectors.shape}")
        with np.errstate(over="ignore"):
            half = np.asarray(vectors, dtype=np.float16)
        if not all(np.isfinite(part).all() for part in _parts(half)):
            raise ValueError("vectors must be finite and within float16's range (65,504)")
        holes = np.empty(0, dtype=np.int64) if holes is None else np.asarray(holes, dtype=np.int64)
        live = np.delete(np.arange(len(half)), holes) if len(holes) else None
        num_live = len(half) - len(holes)
        compress = kind == "ivfpq" or (kind == "auto" and num_live > exact_limit)
        compressed = None
        if compress and num_live >= MIN_ROWS:
            compressed = build_compressed(half, rng if rng is not None else np.random.default_rng(0), live)
        return cls(StoredIndex(half, compressed, nprobe, refine, fingerprint, holes))

    def change(
        self,
        rows: npt.NDArray[np.int64],
        vectors: npt.NDArray[np.floating],
        num_rows: int,
        holes: npt.NDArray[np.int64],
        fingerprint: str = "",
    ) -> Self:
        """Return an index in which some rows are new, changed or gone; this one stays as it is, and the other rows are not touched.

        A compressed index keeps the inverted lists and codes that it was trained with, so that its recall falls slowly as the entities
        become others than those; building it anew trains it again. The kind stays the same however many rows there are.

        Args:
            rows: Rows that are new or changed, each once.
            vectors: (rows, dim), theirs.
            num_rows: Rows of the KB after the change.
            holes: All rows without an entity after the change, in rising order.
            fingerprint: The KB's fingerprint after the change.

        Raises:
            IndexFileError: If the vectors have another length than those here.
            ValueError: If a value is not finite, or rows and holes do not go together.
        """
        rows, holes = np.asarray(rows, dtype=np.int64), np.asarray(holes, dtype=np.int64)
        if vectors.shape[1] != self.dim:
            raise self._wrong_length(vectors.shape[1])
        with np.errstate(over="ignore"):
            half = np.asarray(vectors, dtype=np.float16)
        if len(rows) != len(half) or not np.isfinite(half).all():
            raise ValueError(f"there must be one finite vector for each row, got {len(rows)} rows and {half.shape}")
        old = self._stored
        kept = min(num_rows, self.num_rows)
        filled = np.zeros(num_rows, dtype=bool)
        filled[:kept] = True
        filled[old.holes[old.holes < kept]] = False
        filled[rows] = True
        filled[holes] = False
        if filled.sum() != num_rows - len(holes) or np.isin(rows, holes).any():
            raise ValueError("every row must have a vector or be a hole, and none both")
        changed = np.empty((num_rows, self.dim), dtype=np.float16)
        changed[:kept] = old.vectors[:kept]
        changed[holes], changed[rows] = 0, half
        compressed = old.compressed
        if compressed is not None:
            gone = np.union1d(np.union1d(rows, holes), np.arange(kept, self.num_rows))
            compressed = change_compressed(compressed, gone, rows, half)
        return type(self)(StoredIndex(changed, compressed, old.nprobe, old.refine, fingerprint, holes))

    @property
    def kind(self) -> Kind:
        """How it searches."""
        return "exact" if self._stored.compressed is None else "ivfpq"

    @property
    def num_rows(self) -> int:
        """Number of vectors."""
        return len(self._stored.vectors)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._stored.vectors.shape[1])

    @property
    def vectors(self) -> npt.NDArray[np.float16]:
        """(rows, dim); may lie on disk, not to be changed."""
        return self._stored.vectors

    @property
    def holes(self) -> npt.NDArray[np.int64]:
        """Rows that hold no entity, in rising order."""
        return self._stored.holes

    def __len__(self) -> int:
        return self.num_rows

    def search(self, queries: npt.NDArray[np.floating], k: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Find the nearest entities.

        Args:
            queries: (queries, dim), finite.
            k: Rows wanted for each query, at least 1.

        Returns:
            Scores and rows, both (queries, k), best first, equal scores in the order of rows. Where k is larger than the index, the rest
            holds -inf and -1.

        Raises:
            IndexFileError: If the queries have another length than the vectors.
            ValueError: If k is below 1, or queries is not two-dimensional or not finite.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if queries.ndim != 2 or not np.isfinite(queries).all():
            raise ValueError(f"queries must be finite and (queries, dim), got shape {queries.shape}")
        if queries.shape[1] != self.dim:
            raise self._wrong_length(queries.shape[1])
        wanted = min(k, self.num_rows - len(self.holes))
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        if wanted and len(queries):
            scores[:, :wanted], rows[:, :wanted] = self._search(np.ascontiguousarray(queries, dtype=np.float32), wanted)
        return scores, rows

    def scores_of(self, queries: npt.NDArray[np.floating], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Return exact scores of named rows, the same as ``search`` gives them.

        Args:
            queries: (queries, dim), finite.
            rows: (queries, any) rows that hold entities; -1 for none.

        Returns:
            (queries, any) dot products, -inf where the row is -1.

        Raises:
            IndexFileError: If the queries have another length than the vectors.
            ValueError: If a row is not in the index, or the shapes do not go together.
        """
        if queries.ndim != 2 or rows.ndim != 2 or len(queries) != len(rows):
            raise ValueError(f"there must be a list of rows for each query, got shapes {queries.shape} and {rows.shape}")
        if queries.shape[1] != self.dim:
            raise self._wrong_length(queries.shape[1])
        if rows.size and not -1 <= rows.min() <= rows.max() < self.num_rows:
            raise ValueError(f"rows must be below {self.num_rows}, got {rows.min()} to {rows.max()}")
        scores = np.full(rows.shape, -np.inf, dtype=np.float32)
        number, place = np.nonzero(rows >= 0)
        scores[number, place] = score_pairs(queries.astype(np.float32), self.vectors, (number, rows[number, place]))
        return scores

    def check_fits(self, num_rows: int, dim: int | None = None, fingerprint: str = "") -> None:
        """Check that this index belongs to a KB and a model.

        Args:
            num_rows: Rows of the KB.
            dim: Length of the model's vectors.
            fingerprint: The KB's fingerprint; not compared where it or the index's own is empty.

        Raises:
            IndexFileError: If it does not.
        """
        if num_rows != self.num_rows:
            raise IndexFileError(f"the index has {self.num_rows} rows, the knowledge base {num_rows}; build the index again")
        if dim is not None and dim != self.dim:
            raise IndexFileError(
                f"the index holds vectors of length {self.dim}, the model makes them of length {dim}; build the index again"
            )
        if fingerprint and self._stored.fingerprint and fingerprint != self._stored.fingerprint:
            raise IndexFileError("the index was built over another knowledge base of the same size; build the index again")

    def save(self, folder: Path, fingerprint: str = "") -> None:
        """Write the index into a folder, atomically.

        Args:
            folder: Where.
            fingerprint: The KB's fingerprint, if it was not known when the index was built.

        Raises:
            IndexFileError: If it cannot be written.
        """
        write_index(folder, replace(self._stored, fingerprint=fingerprint or self._stored.fingerprint))

    @classmethod
    def load(cls, folder: Path, verify: bool = False) -> Self:
        """Read an index.

        Args:
            folder: What ``save`` wrote.
            verify: Read the vectors of a compressed index too, to notice damage there; those of an exact one are always read and checked.

        Raises:
            IndexFileError: If a file is missing, damaged or of another version.
        """
        return cls(read_index(folder, verify))

    def describe(self) -> dict[str, Any]:
        """Return kind and size, for people and cards."""
        about = {"kind": self.kind, "rows": self.num_rows, "dim": self.dim, "nprobe": self._stored.nprobe, "refine": self._stored.refine}
        return about | ({"holes": len(self.holes)} if len(self.holes) else {})

    def _wrong_length(self, dim: int) -> IndexFileError:
        return IndexFileError(f"the index holds vectors of length {self.dim}, the model makes them of length {dim}; build the index again")

    def _search(self, queries: npt.NDArray[np.float32], k: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        if self._dense is not None:
            scores, rows = search_exact(queries, self._dense, k, self._longest)
            return scores, rows if self._live is None else self._live[rows]
        stored = self._stored
        return search_compressed(stored.compressed, queries, stored.vectors, k, stored.nprobe, stored.refine, self._live)


def _parts(vectors: npt.NDArray[np.float16], size: int = 65_536) -> list[npt.NDArray[np.float16]]:
    return [vectors[start : start + size] for start in range(0, len(vectors), size)]
