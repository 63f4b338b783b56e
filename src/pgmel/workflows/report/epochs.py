"""Which epoch's weights were kept, and whether the logged metrics reach the end of training."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from pgmel.negatives import LEARNED
from pgmel.settings import Settings

__all__ = ["DevPoint", "dev_points", "find_gap", "find_kept"]


class DevPoint(NamedTuple):
    """Scores on dev at the end of an epoch; step 0 is the untrained model, which has neither phase nor epoch."""

    step: int
    mrr: float
    phase: str = ""
    epoch: int | None = None


def dev_points(rows: Iterable[Mapping[str, str]], untrained: float | None) -> tuple[DevPoint, ...]:
    """Return the logged MRR on dev, that of the untrained model first where it is known."""
    start = () if untrained is None else (DevPoint(0, float(f"{untrained:.6g}")),)  # rounded as the log is, so that the two compare
    found = (DevPoint(int(row["step"]), float(row["dev_mrr"]), row.get("phase", ""), _epoch(row)) for row in rows if row.get("dev_mrr"))
    return *start, *found


def find_kept(points: Sequence[DevPoint]) -> DevPoint | None:
    """Return the point whose weights early stopping keeps: the best MRR, of several the first."""
    return max(points, key=lambda point: point.mrr, default=None)


def find_gap(rows: Sequence[Mapping[str, str]], settings: Settings | None, untrained: float | None, last_step: int | None) -> str:
    """Say in a sentence that the rows end before training did; empty where they reach its end, or nobody can tell.

    Args:
        rows: The usable rows of ``metrics.csv``.
        settings: Of the training that wrote them.
        untrained: MRR on dev of the untrained model, with which early stopping begins; None where it is not known.
        last_step: Step of the newest checkpoint; None where there is none.
    """
    if not rows:
        return ""
    last = int(rows[-1]["step"])
    if last_step is not None and last < last_step:
        return f"its last usable row is that of step {last:,}, but training went on to step {last_step:,}: the curves end early"
    if settings is None or _is_complete(rows, settings, untrained):
        return ""
    return f"its last usable row, that of step {last:,}, is not the end of a training by these settings: the curves end early"


def _is_complete(rows: Sequence[Mapping[str, str]], settings: Settings, untrained: float | None) -> bool:
    row, training = rows[-1], settings.training
    if training.max_steps is not None and int(row["step"]) >= training.max_steps:
        return True
    plan = {
        "pretrain_discriminator": training.pretrain_epochs,
        "pretrain_generator": training.pretrain_generator_epochs if settings.negatives.sampler in LEARNED else 0,
        "adversarial": training.epochs,
    }
    final = next((phase for phase in reversed(plan) if plan[phase]), "")
    epoch = _epoch(row)
    if row.get("phase") not in plan or epoch is None or "dev_mrr" not in row:
        return True  # of another version: nobody can tell
    if final != "pretrain_generator" and not row["dev_mrr"]:
        return False  # dev is always measured after the last step
    if (row["phase"], epoch + 1) == (final, plan[final]):
        return True
    return row["phase"] == "adversarial" and (untrained is None or _has_stopped(dev_points(rows, untrained), training.patience))


def _has_stopped(points: Sequence[DevPoint], patience: int) -> bool:
    kept = find_kept(points)
    return kept is not None and len(points) - 1 - points.index(kept) >= patience


def _epoch(row: Mapping[str, str]) -> int | None:
    found = row.get("epoch", "").strip()
    return int(found) if found.isascii() and found.isdigit() else None
