"""Fixed projection of picture vectors: whitened block by block, joined, and rotated so that the first columns matter most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Float32
from threadpoolctl import threadpool_limits

from pgmel.features import Features

__all__ = ["ImageBlock", "ImageProjection", "fit_image_projection", "principal_axes", "unit_rows"]

BLOCK_DIM: Final = 128
"""Dimensions kept of each block, where there are several."""


@final
@dataclass(frozen=True)
class ImageBlock:
    """Some columns of one picture channel, and their centring and partly whitening PCA.

    Attributes:
        channel: Channel of the features.
        columns: First and last (exclusive) column.
        weight: Share of this block in the similarity of pictures; the shares add up to 1.
        mean: Mean of the columns over the pictures of both sides.
        map: PCA of the centred columns.
    """

    channel: str
    columns: tuple[int, int]
    weight: float
    mean: Float32[np.ndarray, "width"]
    map: Float32[np.ndarray, "width kept"]

    def __call__(self, features: Features, rows: slice) -> Float32[np.ndarray, "rows kept"]:
        """Return rows of length ``sqrt(weight)``."""
        part = features.channels[self.channel][rows, slice(*self.columns)].astype(np.float32)
        return np.asarray(unit_rows((part - self.mean) @ self.map) * np.float32(self.weight**0.5), np.float32)


@final
@dataclass(frozen=True)
class ImageProjection:
    """The blocks side by side, rotated by PCA where there are several; no block at all where pictures are not used.

    The dot product of two inputs is the weighted mean of the blocks' similarities, as far as the kept dimensions carry it.
    """

    blocks: tuple[ImageBlock, ...]
    rotation: Float32[np.ndarray, "joined dim_image"]

    @property
    def dim(self) -> int:
        """Columns of the image input, 0 for none."""
        if not self.blocks:
            return 0
        return int(self.rotation.shape[1]) if len(self.blocks) > 1 else int(self.blocks[0].map.shape[1])

    def __call__(self, features: Features, rows: slice) -> Float32[np.ndarray, "rows dim_image"]:
        """Project rows that have a picture; what comes out for the others is to be masked."""
        joined = np.concatenate([block(features, rows) for block in self.blocks], axis=1)
        return joined if len(self.blocks) == 1 else np.asarray(joined @ self.rotation)

    def contributions(self, features: Features, rows: slice) -> dict[str, Float32[np.ndarray, "rows dim_image"]]:
        """Return what each picture channel adds to the projection: channel name to a matrix; the matrices add up to the whole."""
        whole = np.eye(self.dim, dtype=np.float32) if len(self.blocks) == 1 else self.rotation
        parts: dict[str, np.ndarray] = {}
        start = 0
        for block in self.blocks:
            part = block(features, rows)
            added = part @ whole[start : start + part.shape[1]]
            parts[block.channel] = parts[block.channel] + added if block.channel in parts else added
            start += part.shape[1]
        return parts

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what has to be stored, as tensors."""
        arrays: dict[str, np.ndarray] = {"rotation": self.rotation}
        for number, block in enumerate(self.blocks):
            parts = {"mean": block.mean, "map": block.map, "columns": np.array(block.columns, np.int64), "weight": np.array(block.weight)}
            arrays |= {f"{number}.{block.channel}.{name}": value for name, value in parts.items()}
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor]) -> "ImageProjection":
        """Rebuild from stored tensors.

        Raises:
            KeyError: If one is missing.
        """
        stems = sorted({key.rpartition(".")[0] for key in tensors if "." in key}, key=lambda stem: int(stem.partition(".")[0]))
        blocks = []
        for stem in stems:
            first, last = (int(column) for column in tensors[f"{stem}.columns"])
            mean, matrix = tensors[f"{stem}.mean"].numpy(), tensors[f"{stem}.map"].numpy()
            blocks.append(ImageBlock(stem.partition(".")[2], (first, last), float(tensors[f"{stem}.weight"]), mean, matrix))
        return cls(tuple(blocks), tensors["rotation"].numpy())


def fit_image_projection(
    sides: Sequence[Features], weights: Mapping[str, float], num_parts: Mapping[str, int], dim: int, whitening: float
) -> ImageProjection:
    """Fit on the pictures of both sides; no labels are read.

    Args:
        sides: Features of the KB and of the training mentions.
        weights: Weight of each picture channel, >= 0; a channel of weight 0, or not encoded, is left out.
        num_parts: Into how many blocks of equal width a channel falls; 1 where it is not named. They share the channel's weight.
        dim: Most columns of the result.
        whitening: Exponent, 0 (plain PCA) to 1 (every kept dimension of a block alike).
    """
    fitted: list[tuple[str, tuple[int, int], float, np.ndarray, np.ndarray]] = []
    used = [name for name, weight in weights.items() if weight > 0 and all(name in side.channels for side in sides)]
    single = len(used) == 1 and num_parts.get(used[0], 1) == 1
    for name in used:
        parts = num_parts.get(name, 1)
        width = sides[0].channels[name].shape[1] // parts
        for start in range(0, parts * width, width):
            found = _fit_block(sides, name, slice(start, start + width), dim if single else BLOCK_DIM, whitening)
            if found is not None:
                fitted.append((name, (start, start + width), weights[name] / parts, *found))
    total = sum(weight for _, _, weight, _, _ in fitted)
    blocks = tuple(ImageBlock(name, columns, weight / total, mean, matrix) for name, columns, weight, mean, matrix in fitted)
    if len(blocks) < 2:
        return ImageProjection(blocks, np.zeros((0, 0), np.float32))
    gram = sum(_gram(side, blocks) for side in sides)
    values, vectors = principal_axes(np.asarray(gram))
    order = np.argsort(values)[::-1][:dim]
    return ImageProjection(blocks, np.ascontiguousarray(vectors[:, order], np.float32))


def unit_rows(rows: Float[np.ndarray, "rows dim"]) -> Float[np.ndarray, "rows dim"]:
    """Scale rows to unit length; zero rows stay zero."""
    unit: np.ndarray = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit


def principal_axes(matrix: Float[np.ndarray, "dim dim"]) -> tuple[Float[np.ndarray, "dim"], Float[np.ndarray, "dim dim"]]:
    """Return eigenvalues and eigenvectors of a symmetric matrix, smallest first."""
    # The decomposition makes thousands of small calls; on a busy machine threads that meet at each of them cost minutes instead of
    # the second that one thread takes.
    with threadpool_limits(1):
        values, vectors = np.linalg.eigh(matrix)
    return values, vectors


def _fit_block(sides: Sequence[Features], name: str, columns: slice, dim: int, whitening: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return mean and map, or None where every picture is the same one, so that pictures tell nothing."""
    rows = np.concatenate([side.channels[name][side.present[name], columns].astype(np.float32) for side in sides])
    if len(rows) < 2:
        return None
    mean = rows.mean(axis=0)
    values, vectors = principal_axes(np.cov(rows - mean, rowvar=False, dtype=np.float64))
    order = np.argsort(values)[::-1][: min(dim, len(rows) - 1)]
    if not values[order[0]] > 1e-12:
        return None
    order = order[values[order] > 1e-9 * values[order[0]]]
    scale = (values[order] / values[order[0]]) ** (-whitening / 2)
    return mean, np.ascontiguousarray(vectors[:, order] * scale, np.float32)


def _gram(side: Features, blocks: Sequence[ImageBlock], chunk: int = 16_384) -> np.ndarray:
    width = sum(block.map.shape[1] for block in blocks)
    gram = np.zeros((width, width))
    for start in range(0, len(side), chunk):
        rows = slice(start, start + chunk)
        joined = np.concatenate([block(side, rows) for block in blocks], axis=1) * side.present[blocks[0].channel][rows, None]
        gram += joined.T @ joined
    return gram
