"""Turn ranks into H@k, mean reciprocal rank and mean rank, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError
from pgmel.evaluation.bootstrap import Interval, group_sums, percentile_intervals, resample_sums
from pgmel.evaluation.ranks import Ranks

__all__ = ["METRICS", "TIES", "Metrics", "Ties", "measure", "measure_slices", "metric_values"]

Ties = Literal["realistic", "optimistic", "pessimistic"]

TIES: tuple[Ties, ...] = ("realistic", "optimistic", "pessimistic")
"""Rules for ties; the first is the headline unless a published protocol says otherwise."""

METRICS: Mapping[str, str] = {"h_at_1": "H@1", "h_at_3": "H@3", "h_at_5": "H@5", "h_at_10": "H@10", "mrr": "MRR", "mean_rank": "Mean rank"}
"""Field of ``Metrics`` to the name people know; larger is better for all but the mean rank."""

_HITS = {"h_at_1": 1, "h_at_3": 3, "h_at_5": 5, "h_at_10": 10}


@dataclass(frozen=True, slots=True)
class Metrics:
    """Figures of one system on one set of mentions.

    H@k is the share of mentions whose gold entity has rank k or better, MRR the mean of 1 / rank. Under realistic ties a gold entity that
    ties with one other at the top has rank 1.5: no hit at 1, a hit at 3.

    Args:
        h_at_1, h_at_3, h_at_5, h_at_10, mrr, mean_rank: Value and interval under the rule ``ties``.
        num_mentions: Mentions measured.
        num_groups: Groups the bootstrap drew (sentences, say); equal to ``num_mentions`` where mentions were drawn singly.
        ties: The rule for ties behind the six figures.
        tied_share: Share of mentions whose gold entity ties with another; where it is 0 the three rules agree.
        variants: Rule for ties to metric to value, for all three rules.
        confidence: Level of the intervals.
        resamples: Bootstrap resamples behind them.
    """

    h_at_1: Interval
    h_at_3: Interval
    h_at_5: Interval
    h_at_10: Interval
    mrr: Interval
    mean_rank: Interval
    num_mentions: int
    num_groups: int
    ties: Ties
    tied_share: float
    variants: dict[str, dict[str, float]]
    confidence: float
    resamples: int

    def interval(self, metric: str) -> Interval:
        """Return a metric by its field's name, one of ``METRICS``."""
        value: Interval = getattr(self, metric)
        return value

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and numbers, ready for JSON."""
        return asdict(self)

    def format(self) -> str:
        """Return one line for a person."""
        figures = "  ".join(f"{title} {self.interval(name).format(1 if name == 'mean_rank' else 3)}" for name, title in METRICS.items())
        return f"{figures}  ({self.num_mentions:,} mentions, {self.ties} ties, {self.confidence:.0%} intervals)"


def metric_values(ranks: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return what each mention contributes to each metric.

    Args:
        ranks: (mentions,) ranks from 1.

    Returns:
        (mentions, 6) in the order of ``METRICS``; a metric is the mean of its column.
    """
    values = np.asarray(ranks, np.float64)
    return np.stack([*(values <= k for k in _HITS.values()), 1 / values, values], axis=1)


def measure(
    ranks: Ranks,
    bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    ties: Ties = "realistic",
) -> Metrics:
    """Measure a system from the ranks of its gold entities.

    Args:
        ranks: From ``rank_against_kb`` or ``rank_against_candidates``.
        bootstrap: Resamples behind the intervals.
        confidence: Level of the intervals, between 0 and 1.
        rng: Source of the resamples.
        groups: One key per mention (its sentence, say): whole groups are then resampled, because mentions that share a sentence or a
            picture are not independent. None resamples mentions singly.
        ties: Rule for ties of the headline figures.

    Raises:
        DataError: If there are no mentions, or not one group key for each.
        SettingError: If bootstrap or confidence are out of range.
    """
    headline = metric_values(ranks.of(ties))
    sums, sizes = group_sums(headline, groups)
    resampled = resample_sums(np.column_stack([sums, sizes]), bootstrap, rng)
    intervals = percentile_intervals(headline.mean(axis=0), resampled[:, :-1] / resampled[:, -1:], confidence)
    h_at_1, h_at_3, h_at_5, h_at_10, mrr, mean_rank = intervals
    return Metrics(
        h_at_1=h_at_1,
        h_at_3=h_at_3,
        h_at_5=h_at_5,
        h_at_10=h_at_10,
        mrr=mrr,
        mean_rank=mean_rank,
        num_mentions=len(ranks),
        num_groups=len(sums),
        ties=ties,
        tied_share=float(np.mean(ranks.pessimistic > ranks.optimistic)),
        variants={str(rule): dict(zip(METRICS, metric_values(ranks.of(rule)).mean(axis=0).tolist(), strict=True)) for rule in TIES},
        confidence=confidence,
        resamples=bootstrap,
    )


def measure_slices(
    ranks: Ranks,
    masks: Mapping[str, npt.NDArray[np.bool_]],
    bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
    ties: Ties = "realistic",
) -> dict[str, Metrics]:
    """Measure each slice on its own; slices without mentions are left out.

    Args:
        ranks: Ranks of all mentions.
        masks: Slice to boolean mask (mentions,), from ``slice_masks``.
        bootstrap: As in ``measure``.
        confidence: As in ``measure``.
        rng: As in ``measure``.
        groups: As in ``measure``, for all mentions.
        ties: As in ``measure``.

    Raises:
        DataError: If a mask has another length than the ranks.
    """
    measured = {}
    for name, mask in masks.items():
        if mask.shape != (len(ranks),):
            raise DataError(f"the slice {name!r} has a mask of shape {mask.shape} for {len(ranks)} mentions")
        if mask.any():
            chosen = np.flatnonzero(mask)
            keys = None if groups is None else [groups[position] for position in chosen.tolist()]
            measured[name] = measure(ranks.take(chosen), bootstrap, confidence, rng, keys, ties)
    return measured
