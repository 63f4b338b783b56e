"""Fixed projection of the encoders' channels to the inputs of the towers, fitted once on the KB and the training mentions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from scipy import sparse

from pgmel.errors import SettingError
from pgmel.features import NUM_PARTS, Features
from pgmel.models.batch import Modalities
from pgmel.models.image_projection import ImageProjection, fit_image_projection, principal_axes

__all__ = ["IMAGE_CHANNELS", "Contributions", "Projection", "fit_projection"]

TEXT_CHANNELS = ("name", "context", "lexical", "years")
IMAGE_CHANNELS = ("image", "image_parts", "image_layout")
CHUNK = 16_384


class Contributions(NamedTuple):
    """What each channel adds to the text input and to the image input: channel name to (rows, dim_text), and to (rows, dim_image)."""

    text: Mapping[str, Float32[np.ndarray, "rows dim_text"]]
    image: Mapping[str, Float32[np.ndarray, "rows dim_image"]]


@final
@dataclass(frozen=True)
class Projection:
    """Linear maps, one per channel, into one text input and one image input.

    The text input is the PCA (without centring, so that dot products stay) of the unit-length channels laid side by side, each weighted
    by the square root of its weight: the dot product of two inputs is the weighted mean of the channels' similarities, as far as
    the kept dimensions carry it. The image input is the unit-length PCA of the centred picture vectors: centred, so that two unrelated
    pictures have similarity 0, which is what a missing picture counts as; with several picture channels, each is centred, whitened and
    scaled for itself, and the similarity is their weighted mean.

    Attributes:
        text_maps: Channel name to (dim_channel, dim_text) matrix.
        image: Projection of the picture channels.
        text_share: Share of the text in the zero-shot similarity, 0 to 1.
        variance_kept: Share of the text inputs' squared length that the kept dimensions carry.
    """

    text_maps: Mapping[str, Float32[np.ndarray, "_ dim_text"]]
    image: ImageProjection
    text_share: float
    variance_kept: float

    @property
    def dim_text(self) -> int:
        """Columns of the text input, 0 for none."""
        return next((matrix.shape[1] for matrix in self.text_maps.values()), 0)

    @property
    def dim_image(self) -> int:
        """Columns of the image input, 0 for none."""
        return self.image.dim

    def __call__(self, features: Features) -> Modalities:
        """Project one side's features; rows come out in the same order."""
        rows = len(features)
        text = np.zeros((rows, self.dim_text), np.float32)
        image = np.zeros((rows, self.dim_image), np.float32)
        has_text = np.zeros(rows, bool)
        has_image = np.zeros(rows, bool)
        for start in range(0, rows, CHUNK):
            part = slice(start, start + CHUNK)
            for channel, matrix in self.text_maps.items():
                text[part] += _rows(features.channels[channel], part) @ matrix
                has_text[part] |= features.present[channel][part]
            if self.dim_image:
                has_image[part] = features.present[self.image.blocks[0].channel][part]
                image[part] = self.image(features, part) * has_image[part, None]
        return Modalities.from_numpy(text, image, has_text, has_image)

    def contributions(self, features: Features) -> Contributions:
        """Return what each channel adds to the inputs; their sum over a row's channels is what calling this object gives.

        Args:
            features: Rows that are few: a matrix comes out for every channel.
        """
        whole = slice(0, len(features))
        text = {name: np.asarray(_rows(features.channels[name], whole) @ matrix) for name, matrix in self.text_maps.items()}
        image: dict[str, np.ndarray] = {}
        if self.dim_image:
            has_image = features.present[self.image.blocks[0].channel]
            image = {name: part * has_image[:, None] for name, part in self.image.contributions(features, whole).items()}
        return Contributions(text, image)

    def reads(self, features: Features) -> Bool[np.ndarray, "rows"]:
        """Return True for rows that have at least one channel that is projected."""
        used = [*self.text_maps, *(block.channel for block in self.image.blocks)]
        masks = [features.present[channel] for channel in used]
        return np.any(masks, axis=0) if masks else np.zeros(len(features), bool)

    def without(self, channels: Iterable[str]) -> "Projection":
        """Return the projection of the other channels, whose text input lacks what the given channels contribute to it.

        With no text channel left the text input has no columns.
        """
        left_out = set(channels)
        return replace(self, text_maps={name: matrix for name, matrix in self.text_maps.items() if name not in left_out})

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return what has to be stored, as tensors."""
        arrays = {f"text.{name}": matrix for name, matrix in self.text_maps.items()}
        stored = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}
        return stored | {f"image.{name}": tensor for name, tensor in self.image.tensors().items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, torch.Tensor], text_share: float, variance_kept: float) -> "Projection":
        """Rebuild from stored tensors."""
        maps = {name.removeprefix("text."): tensor.numpy() for name, tensor in tensors.items() if name.startswith("text.")}
        ordered = {name: maps[name] for name in TEXT_CHANNELS if name in maps}
        image = {name.removeprefix("image."): tensor for name, tensor in tensors.items() if name.startswith("image.")}
        return cls(ordered, ImageProjection.from_tensors(image), text_share, variance_kept)


def fit_projection(
    sides: Sequence[Features],
    weights: Mapping[str, float],
    dim_text: int,
    dim_image: int,
    lexical_rank: int,
    whitening: float,
    seed: int,
) -> Projection:
    """Fit the projection on the rows of both sides; no labels are read.

    Args:
        sides: Features of the KB and of the training mentions.
        weights: Weight of each channel's similarity, >= 0; a channel of weight 0, or not encoded, is left out. That of ``image`` is the
            weight of all pictures against all text; those of ``image_parts`` and ``image_layout`` are against the whole picture's, 1.
        dim_text: Most columns of the text input.
        dim_image: Most columns of the image input.
        lexical_rank: Dimensions that the hashed n-grams are reduced to first.
        whitening: Exponent, 0 (plain PCA) to 1 (every kept dimension of the picture vectors alike).
        seed: Of the randomised decomposition.

    Raises:
        SettingError: If no channel is left.
    """
    maps: dict[str, np.ndarray] = {}
    # A channel that one side lacks altogether (KBs without a date) tells nothing, and would only shorten the vectors of the other side.
    channels = [
        name
        for name in TEXT_CHANNELS
        if weights.get(name, 0) > 0 and all(name in side.channels and side.present[name].any() for side in sides)
    ]
    for name in channels:
        width = sides[0].channels[name].shape[1]
        maps[name] = _reduce_lexical(sides, lexical_rank, seed) if name == "lexical" else np.eye(width, dtype=np.float32)
    total = sum(weights[name] for name in channels)
    for name in channels:
        maps[name] = maps[name] * np.float32((weights[name] / total) ** 0.5)
    joint: np.ndarray = np.sum([_gram(side, maps) for side in sides], axis=0) if channels else np.zeros((0, 0))
    values, vectors = principal_axes(joint)
    order = np.argsort(values)[::-1][:dim_text]
    kept = float(values[order].sum() / max(values.sum(), 1e-12)) if channels else 0.0
    start = 0
    for name in channels:
        width = maps[name].shape[1]
        maps[name] = (maps[name] @ vectors[start : start + width, order]).astype(np.float32)
        start += width
    pictures = {name: weights.get(name, 0.0) for name in IMAGE_CHANNELS} if weights.get("image", 0) > 0 else {}
    pictures |= {"image": 1.0} if pictures else {}
    image = fit_image_projection(sides, pictures, {"image_parts": NUM_PARTS}, dim_image, whitening)
    if not channels and not image.dim:
        raise SettingError("no feature channel is left: set features.text_encoder, image_encoder or lexical_weight")
    image_weight = weights.get("image", 0.0) if image.dim else 0.0
    text_weight = 1.0 if channels else 0.0
    return Projection(maps, image, text_weight / (text_weight + image_weight), kept)


def _rows(channel: Any, part: slice) -> Any:
    rows = channel[part]
    return rows if sparse.issparse(rows) else rows.astype(np.float32)


def _reduce_lexical(sides: Sequence[Features], rank: int, seed: int) -> Float[np.ndarray, "buckets rank"]:
    from sklearn.decomposition import TruncatedSVD  # half of the time that importing this package would take

    # Buckets that are empty in a small KB make the decomposition's rank smaller than asked for.
    rows = sparse.vstack([side.channels["lexical"] for side in sides]).tocsr()
    rank = max(1, min(rank, rows.shape[0] - 1, rows.shape[1] - 1))  # one row alone has one direction
    with np.errstate(invalid="ignore", divide="ignore"):  # names without a single n-gram have no variance to explain
        model = TruncatedSVD(rank, algorithm="randomized", n_iter=4, random_state=seed).fit(rows)
    return np.ascontiguousarray(model.components_.T, np.float32)


def _gram(side: Features, maps: Mapping[str, np.ndarray]) -> Float[np.ndarray, "joint joint"]:
    width = sum(matrix.shape[1] for matrix in maps.values())
    gram = np.zeros((width, width))
    for start in range(0, len(side), CHUNK):
        part = slice(start, start + CHUNK)
        joined = np.concatenate([_rows(side.channels[name], part) @ matrix for name, matrix in maps.items()], axis=1)
        gram += joined.T @ joined
    return gram / max(len(side), 1)
