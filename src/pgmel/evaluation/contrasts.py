"""Test every system of a table against the reference: on each data set, and on the mean over all of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from pgmel.evaluation.comparison_data import COMPARED, Difference
from pgmel.evaluation.correction import holm
from pgmel.evaluation.metrics import METRICS, metric_values
from pgmel.evaluation.strata import PairedSamples, pool_strata, sample_paired

__all__ = ["MEAN", "Contrasts", "DataRanks", "contrast"]

MEAN = ""
"""Stands for the mean over data sets, where a data set's name is asked for."""

Array = npt.NDArray[np.float64]


@final
@dataclass(frozen=True)
class DataRanks:
    """Ranks of all systems on one data set.

    Args:
        ranks: System to seed to that run's ranks, each (mentions,), all on the same mentions in the same order.
        groups: (mentions,) number of each mention's cluster.
    """

    ranks: Mapping[str, Mapping[int, Array]]
    groups: npt.NDArray[np.int64]


@final
@dataclass(frozen=True)
class Contrasts:
    """Differences from the reference.

    Args:
        found: (system, data set or ``MEAN``) to metric to difference.
        seeds: The same keys to the seeds that the difference is taken over: those that system and reference both have.
        num_comparisons: Size of the family that the p-values are corrected for.
    """

    found: Mapping[tuple[str, str], Mapping[str, Difference]]
    seeds: Mapping[tuple[str, str], tuple[int, ...]]
    num_comparisons: int


def contrast(
    data: Mapping[str, DataRanks],
    reference: str,
    rng: np.random.Generator,
    *,
    resamples: int = 10_000,
    flips: int = 100_000,
    confidence: float = 0.95,
) -> Contrasts:
    """Compare all systems with the reference, and correct for the number of comparisons (Holm).

    A mention's value is its mean over the seeds that a system and the reference both have (for the mean over data sets: on every data
    set), so that a seed which only one of them was run with, a lucky one perhaps, tells nothing. Differences are paired by mention, and
    clusters are resampled and flipped whole. The family is every comparison returned: each system, on each data set and on their mean,
    by H@1 and by MRR.

    Args:
        data: Data set to ranks; the mean over data sets is taken for systems that are on all of them, if there are several.
        reference: System that the others are compared with; one that has no seed in common with it is left out.
        rng: Source of resamples and signs.
        resamples: Bootstrap resamples.
        flips: Draws of signs; the least possible p-value is 1 / (flips + 1).
        confidence: Level of the intervals.
    """
    seeds = _paired_seeds(data, reference)
    everywhere = [system for system, name in seeds if name == MEAN]
    keys: list[tuple[str, str, str]] = []
    parts: list[PairedSamples] = []
    for_mean: list[PairedSamples] = []
    for name, one in data.items():
        own = [(system, seeds[system, name]) for system in one.ranks if (system, name) in seeds]
        if not own:
            continue
        wanted = list(dict.fromkeys([*own, *((system, seeds[system, MEAN]) for system in everywhere)]))
        sampled = sample_paired(_differences(one, reference, wanted), rng, one.groups, resamples, flips)
        parts.append(sampled.take(_columns(wanted, own)))
        keys += [(system, name, metric) for system, _ in own for metric in COMPARED]
        for_mean.append(sampled.take(_columns(wanted, [(system, seeds[system, MEAN]) for system in everywhere])))
    if everywhere:
        parts.append(pool_strata(for_mean))
        keys += [(system, MEAN, metric) for system in everywhere for metric in COMPARED]
    p_values = [value for part in parts for value in part.p_values()]
    intervals = [interval for part in parts for interval in part.intervals(confidence)]
    found: dict[tuple[str, str], dict[str, Difference]] = {}
    for (system, name, metric), interval, p_value, adjusted in zip(keys, intervals, p_values, holm(p_values), strict=True):
        found.setdefault((system, name), {})[metric] = Difference(interval, p_value, adjusted)
    return Contrasts(found, seeds, len(keys))


def _paired_seeds(data: Mapping[str, DataRanks], reference: str) -> dict[tuple[str, str], tuple[int, ...]]:
    """Return the seeds that each system shares with the reference: on each data set, and on all of them if there are several."""
    seeds = {
        (system, name): shared
        for name, one in data.items()
        for system in one.ranks
        if system != reference and (shared := _shared([one.ranks[system], one.ranks.get(reference, {})]))
    }
    for system in dict.fromkeys(system for system, _ in seeds):
        mine = [seeds.get((system, name), ()) for name in data]
        if len(data) > 1 and (shared := _shared(mine)):
            seeds[system, MEAN] = shared
    return seeds


def _shared(found: Sequence[Iterable[int]]) -> tuple[int, ...]:
    first, *others = [dict.fromkeys(seeds) for seeds in found]
    return tuple(seed for seed in first if all(seed in other for other in others))


def _columns(wanted: Sequence[tuple[str, tuple[int, ...]]], chosen: Sequence[tuple[str, tuple[int, ...]]]) -> list[int]:
    return [wanted.index(one) * len(COMPARED) + column for one in chosen for column in range(len(COMPARED))]


def _differences(one: DataRanks, reference: str, wanted: Sequence[tuple[str, tuple[int, ...]]]) -> Array:
    """Return each mention's mean over some seeds minus the reference's over the same: (mentions, systems x metrics compared)."""
    return np.concatenate([_values(one.ranks[system], seeds) - _values(one.ranks[reference], seeds) for system, seeds in wanted], axis=1)


def _values(runs: Mapping[int, Array], seeds: Sequence[int]) -> Array:
    """Return each mention's mean over seeds: (mentions, metrics compared)."""
    columns = [list(METRICS).index(metric) for metric in COMPARED]
    mean: Array = np.mean([metric_values(runs[seed])[:, columns] for seed in seeds], axis=0)
    return mean
