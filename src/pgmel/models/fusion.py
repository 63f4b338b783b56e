"""Ways to join text and image into one vector: the gated multimodal unit, and its plain rivals concatenation and sum.

All share one contract. They start *warm*: text and image are projected into separate blocks of the output, the identity within each
block, zero elsewhere, so that the dot product of two fused vectors is the weighted sum of the modalities' own similarities. A missing
modality is masked out, not fed as zeros; see :class:`pgmel.models.tower.Tower` for what keeps scores comparable then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pgmel.errors import SettingError
from pgmel.models.batch import Modalities

__all__ = ["FUSIONS", "ConcatFusion", "FusionShape", "GatedMultimodalUnit", "ModalityProjection", "SumFusion"]

TANH_SCALE = 0.25
"""tanh(a x) / a with a = 1/4 departs from x by under 2.1 % for |x| <= 1 and by under 7.6 % for |x| <= 2: the linear range.

No input is longer than 1; the gated unit's factor of two takes single components up to 2 at most, and usual ones not beyond 1.
"""


def block_identity(rows: int, columns: int, first: int, last: int, scale: float) -> Float[Tensor, "rows columns"]:
    """Return a matrix that copies its first inputs, scaled, to the output rows ``first`` to ``last``; zero elsewhere."""
    weight = torch.zeros(rows, columns)
    count = min(last - first, columns)
    weight[first : first + count, :count] = torch.eye(count) * scale
    return weight


@final
class ModalityProjection(nn.Module):
    """One modality's projection: ``act(W x + b + V gelu(U x + c))``.

    W starts as a scaled identity into a block of the output, V at zero, so that the start copies the input. The hidden layer is ours:
    on frozen features a linear map alone is too stiff (WikiMEL dev, see docs/experiments.md). ``hidden = 0`` leaves it out.

    Args:
        dim_input: Columns of the input.
        dim: Length of the output.
        block: First and last (exclusive) output dimension that the input starts in.
        scale: Factor on the identity.
        hidden: Width of the hidden layer, 0 for none.
        activation: ``"tanh"`` or ``"none"``.
    """

    def __init__(self, dim_input: int, dim: int, block: tuple[int, int], scale: float, hidden: int, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(block_identity(dim, dim_input, *block, scale))
        self.bias = nn.Parameter(torch.zeros(dim))
        self.inner = nn.Linear(dim_input, hidden) if hidden else None
        self.outer = nn.Linear(hidden, dim, bias=False) if hidden else None
        if self.outer is not None:
            nn.init.zeros_(self.outer.weight)

    def forward(self, x: Float[Tensor, "*rows dim_input"]) -> Float[Tensor, "*rows dim"]:
        """Project."""
        y = nn.functional.linear(x, self.weight, self.bias)
        if self.inner is not None and self.outer is not None:
            y = y + self.outer(nn.functional.gelu(self.inner(x)))
        return torch.tanh(y * TANH_SCALE) / TANH_SCALE if self.activation == "tanh" else y


@final
@dataclass(frozen=True)
class FusionShape:
    """Plain values that every way of fusing is built from.

    Attributes:
        dim_text: Columns of the text input; 0 if the run uses no text.
        dim_image: Columns of the image input; 0 if the run uses no image.
        dim: Length of the output.
        split: Output dimensions ``0 .. split`` start as the text's block, the rest as the image's.
        text_share: Share of the text in the similarity at the start, 0 to 1.
        hidden: Width of each projection's hidden layer, 0 for none.
        activation: ``"tanh"`` as published, scaled to its linear range, or ``"none"``.
    """

    dim_text: int
    dim_image: int
    dim: int
    split: int
    text_share: float
    hidden: int
    activation: str

    def text(self, factor: float = 1.0) -> ModalityProjection | None:
        """Build the text's projection, or None if the run uses no text."""
        scale = factor * self.text_share**0.5
        block = (0, self.split)
        return ModalityProjection(self.dim_text, self.dim, block, scale, self.hidden, self.activation) if self.dim_text else None

    def image(self, factor: float = 1.0) -> ModalityProjection | None:
        """Build the image's projection, or None if the run uses no image."""
        scale = factor * (1 - self.text_share) ** 0.5
        block = (self.split, self.dim)
        return ModalityProjection(self.dim_image, self.dim, block, scale, self.hidden, self.activation) if self.dim_image else None


@final
class GatedMultimodalUnit(nn.Module):
    """Gated multimodal unit with masked modalities and a warm start.

    ``h_m = act(W_m x_m + b_m + ...)``, ``z = sigmoid(W_z [x_text; x_image] + b_z)``, ``h = z * h_text + (1 - z) * h_image`` per
    dimension, so a gate of 1 selects text. Where a modality is missing the gate is closed for it: 1 without image, 0 without text.

    Args:
        shape: Plain values.

    Source: Arevalo et al. 2017, "Gated Multimodal Units for Information Fusion", equation for two modalities. Differs: the warm start,
    the mask, biases, the hidden layers, and tanh scaled to its linear range or absent. At the start the gate is even (W_z = b_z = 0) and
    the projections carry a factor of two that undoes it.
    """

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        gated = bool(shape.dim_text and shape.dim_image)
        self.text = shape.text(2.0 if gated else 1.0)
        self.image = shape.image(2.0 if gated else 1.0)
        self.gate_weight = nn.Parameter(torch.zeros(shape.dim if gated else 0, shape.dim_text + shape.dim_image))
        self.gate_bias = nn.Parameter(torch.zeros(shape.dim if gated else 0))

    def forward(self, inputs: Modalities) -> Float[Tensor, "*rows dim"]:
        """Fuse; the result is not normalised."""
        if self.text is None or self.image is None:
            return _single(self.text, self.image, inputs)
        gate = self.gate(inputs)
        fused: Tensor = gate * self.text(inputs.text) + (1 - gate) * self.image(inputs.image)
        return fused

    def gate(self, inputs: Modalities) -> Float[Tensor, "*rows dim"]:
        """Return the gate: 1 selects text, 0 image; closed for a missing modality."""
        joined = torch.cat([inputs.text, inputs.image], dim=-1)
        gate = torch.sigmoid(nn.functional.linear(joined, self.gate_weight, self.gate_bias))
        gate = torch.where(inputs.has_image.unsqueeze(-1), gate, torch.ones_like(gate))
        return torch.where(inputs.has_text.unsqueeze(-1), gate, torch.zeros_like(gate))


@final
class SumFusion(nn.Module):
    """The plain sum of the two projections, without a gate."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.text = shape.text()
        self.image = shape.image()

    def forward(self, inputs: Modalities) -> Float[Tensor, "*rows dim"]:
        """Fuse; the result is not normalised."""
        if self.text is None or self.image is None:
            return _single(self.text, self.image, inputs)
        return _masked(self.text(inputs.text), inputs.has_text) + _masked(self.image(inputs.image), inputs.has_image)


@final
class ConcatFusion(nn.Module):
    """One projection of text and image laid side by side: their hidden units see both."""

    def __init__(self, shape: FusionShape) -> None:
        super().__init__()
        self.joint = ModalityProjection(shape.dim_text + shape.dim_image, shape.dim, (0, shape.dim), 1.0, shape.hidden, shape.activation)
        text = block_identity(shape.dim, shape.dim_text, 0, shape.split, shape.text_share**0.5)
        image = block_identity(shape.dim, shape.dim_image, shape.split, shape.dim, (1 - shape.text_share) ** 0.5)
        self.joint.weight = nn.Parameter(torch.cat([text, image], dim=1))

    def forward(self, inputs: Modalities) -> Float[Tensor, "*rows dim"]:
        """Fuse; the result is not normalised."""
        joined = torch.cat([_masked(inputs.text, inputs.has_text), _masked(inputs.image, inputs.has_image)], dim=-1)
        fused: Tensor = self.joint(joined)
        return fused


def _single(text: ModalityProjection | None, image: ModalityProjection | None, inputs: Modalities) -> Tensor:
    if text is not None:
        only: Tensor = text(inputs.text)
        return only
    if image is None:
        raise SettingError("a tower needs at least one modality; both inputs have zero columns")
    alone: Tensor = image(inputs.image)
    return alone


def _masked(values: Float[Tensor, "*rows dim"], present: Bool[Tensor, "*rows"]) -> Float[Tensor, "*rows dim"]:
    return torch.where(present.unsqueeze(-1), values, torch.zeros_like(values))


FUSIONS: dict[str, Callable[[FusionShape], nn.Module]] = {"gmu": GatedMultimodalUnit, "concat": ConcatFusion, "sum": SumFusion}
