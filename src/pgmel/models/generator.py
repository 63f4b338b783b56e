"""The generator: a policy over a mention's candidate pool that picks the wrong entities to train on."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pgmel.models.batch import Modalities

__all__ = ["Generator"]


@final
class Generator(nn.Module):
    """Give each candidate of a pool a logit: what retrieval says of it, plus a learned residual.

    ``logit = prior_weight * retrieval / prior_temperature + u(mention) . v(entity)`` with linear u, v. u starts at zero, so the
    untrained policy is the retrieval prior; with ``prior_weight = 0`` it is uniform.

    Args:
        dim_input: Columns of text and image inputs together.
        dim: Length of u and v.
        prior_weight: Weight of the retrieval score.
        prior_temperature: The retrieval score is divided by it, > 0.

    Source: the policy of PGMEL, arXiv 2510.02726, whose form was not at hand; prior plus residual is ours, because a policy from scratch
    lost to fixed rules (see docs/concepts.md).
    """

    def __init__(self, dim_input: int, dim: int, prior_weight: float, prior_temperature: float) -> None:
        super().__init__()
        self.prior_weight = prior_weight
        self.prior_temperature = prior_temperature
        self.mention = nn.Linear(dim_input, dim, bias=False)
        self.entity = nn.Linear(dim_input, dim, bias=False)
        nn.init.zeros_(self.mention.weight)
        nn.init.normal_(self.entity.weight, std=1.0)

    @staticmethod
    def inputs(rows: Modalities) -> Float[Tensor, "*rows dim_input"]:
        """Lay text and image inputs side by side, as both players of the product read them."""
        return torch.cat([rows.text, rows.image], dim=-1) if rows.image.shape[-1] else rows.text

    def forward(
        self,
        mentions: Modalities,
        candidates: Float[Tensor, "batch candidates dim_input"],
        retrieval: Float[Tensor, "batch candidates"],
        mask: Bool[Tensor, "batch candidates"],
    ) -> Float[Tensor, "batch candidates"]:
        """Return the policy's logits over each pool.

        Args:
            mentions: The mentions.
            candidates: Inputs of the candidates, from :meth:`inputs`.
            retrieval: Retrieval score of each candidate for its mention, -1 to 1.
            mask: True where a candidate may be chosen; others get minus infinity.
        """
        # u . (V x) = (V' u) . x: one product per mention instead of one per candidate.
        question = self.mention(self.inputs(mentions)) @ self.entity.weight
        # The question on the left: its gradient is then a product with rows as they lie in memory, and three times as fast.
        residual = torch.bmm(question.unsqueeze(1), candidates.transpose(1, 2)).squeeze(1)
        logits = self.prior_weight * retrieval / self.prior_temperature + residual
        return logits.masked_fill(~mask, float("-inf"))
