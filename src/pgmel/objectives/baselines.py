"""What is subtracted from rewards so that the policy gradient varies less; none of them biases it.

Each takes the rewards (batch, actions) of independent draws, the running mean of past rewards, and the reward (batch, 1) of each policy's
most probable choice, which only the baselines in ``NEEDS_GREEDY`` read. It returns the baseline of every draw. A baseline must not depend
on the draw it is subtracted from, given the mention; so ``batch_mean`` leaves the mention's own draws out.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pgmel.errors import SettingError

__all__ = ["BASELINES", "NEEDS_GREEDY", "batch_mean", "leave_one_out", "moving_average", "no_baseline", "self_critical"]

Rewards = Float[Tensor, "batch actions"]
Greedy = Float[Tensor, "batch 1"]


def no_baseline(rewards: Rewards, running_mean: float, greedy: Greedy) -> Rewards:  # noqa: ARG001
    """Subtract nothing."""
    return torch.zeros_like(rewards)


def moving_average(rewards: Rewards, running_mean: float, greedy: Greedy) -> Rewards:  # noqa: ARG001
    """Subtract the running mean of the rewards of earlier steps (Williams 1992, reinforcement comparison)."""
    return torch.full_like(rewards, running_mean)


def batch_mean(rewards: Rewards, running_mean: float, greedy: Greedy) -> Rewards:  # noqa: ARG001
    """Subtract the mean reward of the other mentions of the batch; the running mean where there is no other."""
    if len(rewards) < 2:
        return torch.full_like(rewards, running_mean)
    per_mention = rewards.sum(dim=1, keepdim=True)
    return ((per_mention.sum() - per_mention) / (rewards.numel() - rewards.shape[1])).expand_as(rewards)


def leave_one_out(rewards: Rewards, running_mean: float, greedy: Greedy) -> Rewards:  # noqa: ARG001
    """Subtract the mean reward of the mention's other draws (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free").

    Raises:
        SettingError: If there is a single draw, which has no others.
    """
    draws = rewards.shape[1]
    if draws < 2:
        raise SettingError("generator.baseline = leave_one_out needs generator.draws >= 2, got 1; raise it or choose another baseline")
    return (rewards.sum(dim=1, keepdim=True) - rewards) / (draws - 1)


def self_critical(rewards: Rewards, running_mean: float, greedy: Greedy) -> Rewards:  # noqa: ARG001
    """Subtract the reward of the policy's most probable choice (Rennie et al. 2017, "Self-critical sequence training")."""
    return greedy.expand_as(rewards)


BASELINES: dict[str, Callable[[Tensor, float, Tensor], Tensor]] = {
    "none": no_baseline,
    "moving_average": moving_average,
    "batch_mean": batch_mean,
    "leave_one_out": leave_one_out,
    "self_critical": self_critical,
}

NEEDS_GREEDY = frozenset({"self_critical"})
