"""What the discriminator pays the generator for a negative."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["REWARDS", "hinge_reward", "sigmoid_reward", "similarity_reward"]

Scores = Float[Tensor, "batch actions"]


def similarity_reward(positive: Float[Tensor, "batch 1"], negative: Scores, margin: float, temperature: float) -> Scores:  # noqa: ARG001
    """Pay the similarity itself: minus the distance, as in KBGAN (Cai and Wang 2018, section 3.3)."""
    return negative


def hinge_reward(positive: Float[Tensor, "batch 1"], negative: Scores, margin: float, temperature: float) -> Scores:  # noqa: ARG001
    """Pay the discriminator's loss on the negative, ``max(0, margin - s+ + s-)``: nothing for what it has learned already."""
    return torch.relu(margin - positive + negative)


def sigmoid_reward(positive: Float[Tensor, "batch 1"], negative: Scores, margin: float, temperature: float) -> Scores:  # noqa: ARG001
    """Pay ``sigmoid((s- - s+) / temperature)``, the discriminator's belief in the wrong entity; 0 to 1 (cf. IRGAN, Wang et al. 2017)."""
    return torch.sigmoid((negative - positive) / temperature)


REWARDS: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {
    "similarity": similarity_reward,
    "hinge": hinge_reward,
    "sigmoid": sigmoid_reward,
}
"""Name to reward; each takes positive and negative scores (detached), the margin, and a temperature."""
