"""KBGAN's policy: a softmax over a few uniform candidates."""

import torch

from pgmel.negatives.lists import take_columns
from pgmel.negatives.sampler import Batch, Negatives
from pgmel.negatives.uniform import draw_uniform
from pgmel.objectives import draw_independent, drawable

__all__ = ["KBGAN_CANDIDATES", "KBGAN_RULES", "draw_kbgan", "offer_kbgan"]

KBGAN_CANDIDATES = 20
"""Uniform candidates from which one negative is drawn."""

KBGAN_RULES = {
    "reward": "similarity",
    "baseline": "moving_average",
    "estimator": "reinforce",
    "entropy_weight": 0.0,
    "false_negative_penalty": 0.0,
    "draws": 1,
}
"""What the policy learns by, whatever the generator's settings say."""


def offer_kbgan(batch: Batch, num: int, rng: torch.Generator) -> Negatives:
    """Draw the candidates: (batch, num * KBGAN_CANDIDATES), each block of them for one negative."""
    return draw_uniform(batch, num * KBGAN_CANDIDATES, 1.0, rng)


def draw_kbgan(batch: Batch, num: int, temperature: float, rng: torch.Generator) -> Negatives:  # noqa: ARG001
    """Draw each negative from 20 uniform candidates of its own, by a softmax of the generator's logits at temperature 1, without prior.

    Source: Cai and Wang 2018, algorithm 1: 20 candidates, one sample, reward minus the discriminator's distance (for unit vectors, up to
    scale and a constant, the similarity), REINFORCE with a mean of past rewards as baseline, both players pretrained. Differs:
    ``negatives.num`` negatives instead of one; the generator is this frame's, not a second embedding model, and it is pretrained by the
    same rewards, not by likelihood; it learns from draws of its own; the baseline is a running mean instead of the last epoch's.
    """
    offered = offer_kbgan(batch, num, rng)
    logits = batch.residual_logits(offered.rows, offered.mask).detach()
    chosen = draw_independent(drawable(logits.reshape(-1, KBGAN_CANDIDATES)), 1, rng)
    drawn = take_columns(offered.rows.reshape(-1, KBGAN_CANDIDATES), offered.mask.reshape(-1, KBGAN_CANDIDATES), chosen)
    return Negatives(drawn.rows.view(-1, num), drawn.mask.view(-1, num))
