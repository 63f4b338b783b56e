"""What the gates of the gated multimodal unit do: how much of each row comes from text, and how much from its picture."""

from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from pgmel.features import Features
from pgmel.models.embedder import Embedder
from pgmel.models.fusion import GatedMultimodalUnit

__all__ = ["GateSummary", "mean_gates", "summarise_gates"]

_CHUNK = 8192


class GateSummary(NamedTuple):
    """Gates of one side's rows, averaged over dimensions; 1 selects text, 0 the picture, and training starts at one half.

    Only rows with both modalities count: where one is missing its side of the gate is closed.

    Attributes:
        means: Mean gate of each row over all dimensions.
        text_block: Mean gate of each row over the dimensions that start as the text's block.
        image_block: The same over the picture's block.
        num_text_only: Rows without a usable picture (their gate is 1).
        num_image_only: Rows without text (their gate is 0).
        dim_text: Dimensions of the text's block.
        dim_image: Dimensions of the picture's block.
    """

    means: Float32[np.ndarray, "rows"]
    text_block: Float32[np.ndarray, "rows"]
    image_block: Float32[np.ndarray, "rows"]
    num_text_only: int
    num_image_only: int
    dim_text: int
    dim_image: int


def summarise_gates(embedder: Embedder, features: Features, side: Literal["mention", "entity"]) -> GateSummary | None:
    """Return the gates of mentions, or of entities; None where the model does not fuse two modalities by the gated unit.

    Args:
        embedder: The model.
        features: Rows of that side; read in chunks, and only means are kept.
        side: Whose tower: ``"mention"`` or ``"entity"``.
    """
    discriminator = embedder.discriminator.eval()
    unit = (discriminator.mention if side == "mention" else discriminator.entity).fusion
    if not isinstance(unit, GatedMultimodalUnit) or unit.text is None or unit.image is None:
        return None
    dim = len(unit.gate_bias)
    split = dim - discriminator.shape["image_dim"]
    means = [np.zeros((0, 3), np.float32)]
    text_only = image_only = 0
    for start in range(0, len(features), _CHUNK):
        inputs = embedder.projection(features.take(np.arange(start, min(start + _CHUNK, len(features)))))
        both = inputs.has_text & inputs.has_image
        text_only += int((inputs.has_text & ~inputs.has_image).sum())
        image_only += int((inputs.has_image & ~inputs.has_text).sum())
        with torch.inference_mode():
            gate = unit.gate(inputs.rows(both.nonzero()[:, 0]).to(embedder.device)).float()
            parts = torch.stack([gate.mean(dim=1), gate[:, :split].mean(dim=1), gate[:, split:].mean(dim=1)], dim=1)
        means.append(parts.cpu().numpy())
    whole, text, image = np.concatenate(means).T
    return GateSummary(whole, text, image, text_only, image_only, split, dim - split)


def mean_gates(embedder: Embedder, features: Features, side: Literal["mention", "entity"]) -> Float32[np.ndarray, "rows"] | None:
    """Return each row's gate, averaged over dimensions: 1 is text alone, 0 the picture alone; NaN for a row that has neither.

    Args:
        embedder: The model.
        features: Rows of that side, few enough to be projected at once.
        side: Whose tower: ``"mention"`` or ``"entity"``.

    Returns:
        None where the model does not fuse two modalities by the gated unit.
    """
    discriminator = embedder.discriminator.eval()
    unit = (discriminator.mention if side == "mention" else discriminator.entity).fusion
    if not isinstance(unit, GatedMultimodalUnit) or unit.text is None or unit.image is None:
        return None
    inputs = embedder.projection(features).to(embedder.device)
    with torch.inference_mode():
        gates = unit.gate(inputs).float().mean(dim=1).cpu().numpy()
    empty = ~(inputs.has_text | inputs.has_image).cpu().numpy()
    return np.where(empty, np.float32(np.nan), gates)
