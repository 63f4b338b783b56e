"""One side's tower: fusion, then a vector of unit length."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pgmel.models.batch import Modalities
from pgmel.models.fusion import FUSIONS, FusionShape
from pgmel.registry import look_up

__all__ = ["Tower"]


@final
class Tower(nn.Module):
    """Embed mentions, or entities, into the shared space.

    With two modalities a row that lacks one must not be favoured or punished for it. Were its remaining modality stretched to unit
    length, an entity without a picture would beat equally similar entities that have one (their text similarity is diluted by the
    picture's share, its own is not). So the fused vector is given the length ``sqrt(share)``, where ``share`` is the part of the
    similarity that the present modalities carry (1 if both are there), and the rest of the unit length goes into a pad coordinate of
    this side, which the other side leaves at zero. The vector is of unit length and scores stay comparable: a missing picture counts
    like one whose similarity is zero, the mean of centred pictures. The shares are learned, from that start.

    Args:
        dim_text: Columns of the text input, 0 for none.
        dim_image: Columns of the image input, 0 for none.
        dim: Length of the vectors; two of them are pad coordinates when both modalities are used.
        image_dim: How many dimensions start as the image's block.
        text_share: Share of the text in the similarity at the start, 0 to 1.
        fusion: Name in ``FUSIONS``.
        hidden: Width of each projection's hidden layer, 0 for none.
        activation: ``"none"`` or ``"tanh"``.
        side: 0 for mentions, 1 for entities: which pad coordinate is this side's.
        dropout: Share of input features dropped in training.

    Source: the unit-length pad is ours.
    """

    def __init__(
        self,
        *,
        dim_text: int,
        dim_image: int,
        dim: int,
        image_dim: int,
        text_share: float,
        fusion: str,
        hidden: int,
        activation: str,
        side: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.padded = bool(dim_text and dim_image)
        self.side = side
        inner = dim - 2 if self.padded else dim
        split = inner - image_dim if dim_text else 0
        shape = FusionShape(dim_text, dim_image, inner, split, text_share, hidden, activation)
        self.fusion = look_up(FUSIONS, fusion, "model.fusion")(shape)
        self.dropout = nn.Dropout(dropout)
        # Logits of the shares that a row keeps when it has text only, and image only.
        share = torch.tensor([text_share, 1 - text_share]).clamp(1e-4, 1 - 1e-4)
        self.share_logits = nn.Parameter(torch.logit(share) if self.padded else torch.zeros(0))

    def forward(self, inputs: Modalities) -> Float[Tensor, "*rows dim"]:
        """Embed; every row comes out with unit length.

        A row without any modality is nothing but its pad, which scores 0 with everything; where the run uses one modality only there
        is no pad, and such a row is all zeros.
        """
        if self.training and self.dropout.p:
            inputs = inputs._replace(text=self.dropout(inputs.text), image=self.dropout(inputs.image))
        fused = self.fusion(inputs)
        # bfloat16 would leave the length, and with it every score, wrong in the third digit.
        fused = nn.functional.normalize(fused.to(torch.promote_types(fused.dtype, torch.float32)), dim=-1)
        if not self.padded:
            return fused * (inputs.has_text | inputs.has_image).unsqueeze(-1)
        shares = torch.sigmoid(self.share_logits)
        one = torch.ones_like(shares[0])
        with_text = torch.where(inputs.has_image, one, shares[0])
        without = torch.where(inputs.has_image, shares[1], 0 * one)
        share = torch.where(inputs.has_text, with_text, without)
        # The clamps keep the square roots' slopes finite where the share is 1, or 0.
        rest = torch.sqrt((1 - share).clamp_min(1e-12)) * (share < 1)
        kept = torch.sqrt(share.clamp_min(1e-12)) * (share > 0)
        pads = torch.stack([rest, torch.zeros_like(rest)] if self.side == 0 else [torch.zeros_like(rest), rest], dim=-1)
        return torch.cat([fused * kept.unsqueeze(-1), pads], dim=-1)
