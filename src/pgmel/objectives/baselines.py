"""What is subtracted from rewards so that the policy gradient varies less; none of them biases it.

Each takes the rewards (batch, actions) of independent draws and the running mean of past rewards, and returns the baseline of every draw.
A baseline must not depend on the draw it is subtracted from, given the mention; so ``batch_mean`` leaves the mention's own draws out.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from pgmel.errors import SettingError

__all__ = ["BASELINES", "batch_mean", "leave_one_out", "moving_average", "no_baseline"]

Rewards = Float[Tensor, "batch actions"]


def no_baseline(rewards: Rewards, running_mean: float) -> Rewards:  # noqa: ARG001
    """Subtract nothing."""
    return torch.zeros_like(rewards)


def moving_average(rewards: Rewards, running_mean: float) -> Rewards:
    """Subtract the running mean of the rewards of earlier steps (Williams 1992, reinforcement comparison)."""
    return torch.full_like(rewards, running_mean)


def batch_mean(rewards: Rewards, running_mean: float) -> Rewards:
    """Subtract the mean reward of the other mentions of the batch; the running mean where there is no other."""
    if len(rewards) < 2:
        return torch.full_like(rewards, running_mean)
    per_mention = rewards.sum(dim=1, keepdim=True)
    return ((per_mention.sum() - per_mention) / (rewards.numel() - rewards.shape[1])).expand_as(rewards)


def leave_one_out(rewards: Rewards, running_mean: float) -> Rewards:  # noqa: ARG001
    """Subtract the mean reward of the mention's other draws (Kool et al. 2019, "Buy 4 REINFORCE samples, get a baseline for free").

    Raises:
        SettingError: If there is a single draw, which has no others.
    """
    draws = rewards.shape[1]
    if draws < 2:
        raise SettingError("generator.baseline = leave_one_out needs generator.draws >= 2, got 1; raise it or choose another baseline")
    return (rewards.sum(dim=1, keepdim=True) - rewards) / (draws - 1)


BASELINES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "none": no_baseline,
    "moving_average": moving_average,
    "batch_mean": batch_mean,
    "leave_one_out": leave_one_out,
}
