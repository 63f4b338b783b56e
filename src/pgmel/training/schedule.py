"""Which phase, epoch and batch a step belongs to: all of it a function of the step number, so that resuming needs no memory."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import torch
from jaxtyping import Int
from torch import Tensor

__all__ = ["Schedule", "Step", "batch_rows", "learning_rate_factor", "rng_for"]

Phase = Literal["pretrain_discriminator", "pretrain_generator", "adversarial"]


class Step(NamedTuple):
    """Where a step stands. ``epoch`` counts within the phase, ``position`` within the epoch; ``last`` ends the epoch."""

    phase: Phase
    epoch: int
    position: int
    last: bool


@final
@dataclass(frozen=True)
class Schedule:
    """Phases one after the other, each of whole epochs.

    Attributes:
        num_mentions: Training mentions.
        batch_size: Mentions per step, over all processes.
        pretrain_discriminator: Epochs of the first phase.
        pretrain_generator: Epochs of the second.
        adversarial: Epochs of the third.
        max_steps: Upper bound on all steps together, or None.
    """

    num_mentions: int
    batch_size: int
    pretrain_discriminator: int
    pretrain_generator: int
    adversarial: int
    max_steps: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Steps in an epoch; the last one may be smaller."""
        return math.ceil(self.num_mentions / self.batch_size)

    @property
    def total(self) -> int:
        """Steps of all phases."""
        steps = self.steps_per_epoch * (self.pretrain_discriminator + self.pretrain_generator + self.adversarial)
        return steps if self.max_steps is None else min(steps, self.max_steps)

    @property
    def discriminator_total(self) -> int:
        """Steps in which the discriminator learns: what its step length is laid out over."""
        return self.discriminator_step(self.total)

    def at(self, step: int) -> Step:
        """Return where step number ``step`` (from 0) stands."""
        epoch, position = divmod(step, self.steps_per_epoch)
        last = position == self.steps_per_epoch - 1 or step == self.total - 1
        if epoch < self.pretrain_discriminator:
            return Step("pretrain_discriminator", epoch, position, last)
        epoch -= self.pretrain_discriminator
        if epoch < self.pretrain_generator:
            return Step("pretrain_generator", epoch, position, last)
        return Step("adversarial", epoch - self.pretrain_generator, position, last)

    def adversarial_share(self, step: int) -> float:
        """Return how far the adversarial phase has come at step number ``step``: 0 before and in its first step, 1 in its last."""
        first = (self.pretrain_discriminator + self.pretrain_generator) * self.steps_per_epoch
        return min(1.0, max(0, step - first) / max(1, self.total - 1 - first))

    def discriminator_step(self, step: int) -> int:
        """Return how many discriminator steps come before step number ``step``."""
        first = self.pretrain_discriminator * self.steps_per_epoch
        second = first + self.pretrain_generator * self.steps_per_epoch
        return step if step < first else first if step < second else step - (second - first)


def batch_rows(schedule: Schedule, step: int, seed: int) -> Int[Tensor, "batch"]:
    """Return the mentions of a step: a slice of the epoch's permutation, drawn from the seed and the epoch's number alone."""
    epoch, position = divmod(step, schedule.steps_per_epoch)
    order = torch.randperm(schedule.num_mentions, generator=rng_for(seed, 0, epoch))
    return order[position * schedule.batch_size : (position + 1) * schedule.batch_size]


def rng_for(seed: int, stream: int, number: int) -> torch.Generator:
    """Return a fresh source of chance for one epoch or step: equal arguments give equal draws, in any process and after any pause."""
    mixed = (seed * 1_000_003 + stream) * 4_294_967_291 + number
    return torch.Generator().manual_seed(mixed % (1 << 63))


def learning_rate_factor(step: int, total: int, warmup: float) -> float:
    """Return the share of the peak step length: a linear rise over ``warmup * total`` steps, then half a cosine down to zero."""
    rise = max(1, round(warmup * total))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, total - rise)))
