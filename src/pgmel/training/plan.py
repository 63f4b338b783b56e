"""What steers the training loop, and what it gives back."""

from dataclasses import dataclass
from typing import NamedTuple, final

__all__ = ["DevScores", "TrainingPlan", "TrainingResult"]


class DevScores(NamedTuple):
    """What the dev set says of the discriminator as it is."""

    h_at_1: float
    mrr: float


@final
@dataclass(frozen=True)
class TrainingPlan:
    """Plain values that steer the loop; the settings of the same names say what each means."""

    sampler: str
    pretrain_sampler: str
    refresh_every: int
    learning_rate: float
    generator_learning_rate: float
    generator_steps: int
    discriminator_steps: int
    weight_decay: float
    warmup: float
    clip_norm: float
    patience: int
    checkpoint_every: int
    keep_checkpoints: int
    log_every: int
    tensorboard: bool
    seed: int
    evaluate_every: int = 1
    pools: str = "fixed"
    rebuild_every: int = 1
    gold_part: float = 0.25
    neighbours: int = 64
    temperature_start: float = 1.0
    temperature_end: float = 1.0


@final
@dataclass(frozen=True)
class TrainingResult:
    """How training ended.

    Attributes:
        best: Dev scores of the discriminator that was kept.
        best_step: After how many steps it stood.
        steps: Steps done.
        seconds: Time spent in this call, a resumed run's earlier time not counted.
        stopped_early: Whether patience ran out.
        first_step_at: Reading of ``time.monotonic`` after the first step of this call; None if there was none to do.
    """

    best: DevScores
    best_step: int
    steps: int
    seconds: float
    stopped_early: bool
    first_step_at: float | None = None
