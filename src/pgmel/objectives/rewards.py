"""What the discriminator pays the generator for a negative."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["PUBLISHED_REWARDS", "REWARDS", "confidence_reward", "hinge_reward", "irgan_reward", "sigmoid_reward", "similarity_reward"]

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


def confidence_reward(positive: Float[Tensor, "batch 1"], negative: Scores, margin: float, temperature: float) -> Scores:  # noqa: ARG001
    """Pay ``-log sigmoid((s+ - s-) / temperature)``: minus the log of the discriminator's confidence in the gold entity.

    The confidence is the one between the gold entity and the drawn candidate. Against all drawn candidates together it would pay every
    draw of a mention alike, and a baseline over the mention's own draws would leave nothing. Unlike ``sigmoid`` it goes on rising where
    the discriminator is badly wrong.
    """
    return torch.nn.functional.softplus((negative - positive) / temperature)


def irgan_reward(positive: Float[Tensor, "batch 1"], negative: Scores, margin: float, temperature: float) -> Scores:
    """Pay ``2 (sigmoid((s- - s+) / temperature) - 1/2)``: IRGAN's reward with its constant baseline of one half (Wang et al. 2017)."""
    return 2 * (sigmoid_reward(positive, negative, margin, temperature) - 0.5)


REWARDS: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {
    "similarity": similarity_reward,
    "hinge": hinge_reward,
    "sigmoid": sigmoid_reward,
    "confidence": confidence_reward,
}
"""Name to reward; each takes positive and negative scores (detached), the margin, and a temperature."""

PUBLISHED_REWARDS: dict[str, Callable[[Tensor, Tensor, float, float], Tensor]] = {"irgan": irgan_reward}
"""Rewards of published policies, which our own generator is not offered: but for a factor they are among its own."""
