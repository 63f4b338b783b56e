"""IRGAN's policy: a softmax over the pool that knows nothing but rewards."""

import torch

from pgmel.negatives.pool import take_from_pool
from pgmel.negatives.sampler import Batch, Negatives
from pgmel.objectives import draw_independent, drawable

__all__ = ["IRGAN_RULES", "IRGAN_TEMPERATURE", "draw_irgan"]

IRGAN_TEMPERATURE = 0.2
"""The policy's logits are divided by it."""

IRGAN_RULES = {
    "reward": "irgan",
    "baseline": "none",
    "estimator": "reinforce",
    "entropy_weight": 0.0,
    "false_negative_penalty": 0.0,
}
"""What the policy learns by, whatever the generator's settings say; the constant baseline is part of the reward."""


def draw_irgan(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw candidates of the pool independently, by a softmax of the generator's logits at temperature 0.2, without prior.

    Source: Wang et al. 2017, with the reward ``2 (sigmoid - 1/2)`` whose constant one half is its baseline (a later study, arXiv
    2010.00722, holds that baseline to be wrong and the generator to do harm; here it is as published). Differs: the pool without the gold
    entity takes the place of all documents; the discriminator's scores are of unit vectors, so the sigmoid reads their gap divided by
    ``generator.reward_temperature``; the generator is pretrained by rewards, not by likelihood; as many draws as ``generator.draws``
    teach it; the discriminator keeps this frame's loss.
    """
    width = batch.pool_rows.shape[1]
    if not width:
        return take_from_pool(batch, torch.zeros_like(batch.pool_rows))
    logits = batch.residual_logits(batch.pool_rows, batch.pool_mask).detach() / IRGAN_TEMPERATURE
    return take_from_pool(batch, draw_independent(drawable(logits), num, rng))
