"""Ways for a policy to learn from its draws, by name."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from pgmel.objectives.policy_gradient import PolicyTerms, clipped, max_likelihood, reinforce

__all__ = ["ESTIMATORS", "REUSES_DRAWS", "Draws", "EstimatorRules"]


class Draws(NamedTuple):
    """What a policy drew and what that was worth.

    Attributes:
        actions: Columns drawn.
        rewards: What the discriminator paid.
        advantages: Reward minus baseline.
        log_probs: Log-probability of each action at the time of drawing.
    """

    actions: Int[Tensor, "batch actions"]
    rewards: Float[Tensor, "batch actions"]
    advantages: Float[Tensor, "batch actions"]
    log_probs: Float[Tensor, "batch actions"]

    def rows(self, part: slice) -> "Draws":
        """Take some mentions."""
        return Draws(*(tensor[part] for tensor in self))


class EstimatorRules(NamedTuple):
    """Plain values; ``temperature`` scales the rewards of ``max_likelihood``."""

    entropy_weight: float
    clip_range: float
    temperature: float


def _reinforce(logits: Tensor, draws: Draws, rules: EstimatorRules) -> PolicyTerms:
    return reinforce(logits, draws.actions, draws.advantages, rules.entropy_weight)


def _clipped(logits: Tensor, draws: Draws, rules: EstimatorRules) -> PolicyTerms:
    return clipped(logits, draws.actions, draws.advantages, draws.log_probs, rules.clip_range, rules.entropy_weight)


def _max_likelihood(logits: Tensor, draws: Draws, rules: EstimatorRules) -> PolicyTerms:
    return max_likelihood(logits, draws.actions, draws.rewards, rules.temperature, rules.entropy_weight)


ESTIMATORS: dict[str, Callable[[Tensor, Draws, EstimatorRules], PolicyTerms]] = {
    "reinforce": _reinforce,
    "clipped": _clipped,
    "max_likelihood": _max_likelihood,
}
"""Name to estimator; each takes the policy's logits, the draws and plain values, and gives the terms of the loss."""

REUSES_DRAWS = frozenset({"clipped"})
"""Estimators that take all steps of a turn on the same draws."""
