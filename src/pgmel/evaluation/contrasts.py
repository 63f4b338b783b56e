"""Test every system of a table against the reference: on each data set, and on the mean over all of them."""

from collections.abc import Mapping, Sequence
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
        ranks: System to its runs' ranks, each (mentions,), one per seed, all on the same mentions in the same order.
        groups: (mentions,) number of each mention's sentence.
    """

    ranks: Mapping[str, Sequence[Array]]
    groups: npt.NDArray[np.int64]


@final
@dataclass(frozen=True)
class Contrasts:
    """Differences from the reference.

    Args:
        found: (system, data set or ``MEAN``) to metric to difference.
        num_comparisons: Size of the family that the p-values are corrected for.
    """

    found: Mapping[tuple[str, str], Mapping[str, Difference]]
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

    A mention's value is its mean over a system's seeds; differences are paired by mention, and sentences are resampled and flipped
    whole. The family is every comparison returned: each system, on each data set and on their mean, by H@1 and by MRR.

    Args:
        data: Data set to ranks; the mean over data sets is taken for systems that are on all of them, if there are several.
        reference: System that the others are compared with.
        rng: Source of resamples and signs.
        resamples: Bootstrap resamples.
        flips: Draws of signs; the least possible p-value is 1 / (flips + 1).
        confidence: Level of the intervals.
    """
    testable = {name: one for name, one in data.items() if reference in one.ranks and len(one.ranks) > 1}
    samples = {name: _sample(one, reference, rng, resamples, flips) for name, one in testable.items()}
    keys: list[tuple[str, str, str]] = []
    parts: list[PairedSamples] = []
    for name, (systems, sampled) in samples.items():
        keys += [(system, name, metric) for system in systems for metric in COMPARED]
        parts.append(sampled)
    everywhere = [system for system in _first(samples) if all(system in systems for systems, _ in samples.values())]
    if len(samples) > 1 and len(samples) == len(data) and everywhere:
        chosen = []
        for systems, sampled in samples.values():
            places = [systems.index(system) * len(COMPARED) + column for system in everywhere for column in range(len(COMPARED))]
            chosen.append(sampled.take(places))
        parts.append(pool_strata(chosen))
        keys += [(system, MEAN, metric) for system in everywhere for metric in COMPARED]
    p_values = [value for part in parts for value in part.p_values()]
    intervals = [interval for part in parts for interval in part.intervals(confidence)]
    found: dict[tuple[str, str], dict[str, Difference]] = {}
    for (system, name, metric), interval, p_value, adjusted in zip(keys, intervals, p_values, holm(p_values), strict=True):
        found.setdefault((system, name), {})[metric] = Difference(interval, p_value, adjusted)
    return Contrasts(found, len(keys))


def _first(samples: Mapping[str, tuple[list[str], PairedSamples]]) -> list[str]:
    return next((systems for systems, _ in samples.values()), [])


def _sample(one: DataRanks, reference: str, rng: np.random.Generator, resamples: int, flips: int) -> tuple[list[str], PairedSamples]:
    systems = [system for system in one.ranks if system != reference]
    base = _values(one.ranks[reference])
    differences = np.concatenate([_values(one.ranks[system]) - base for system in systems], axis=1)
    return systems, sample_paired(differences, rng, one.groups, resamples, flips)


def _values(runs: Sequence[Array]) -> Array:
    """Return each mention's mean over seeds: (mentions, metrics compared)."""
    columns = [list(METRICS).index(metric) for metric in COMPARED]
    mean: Array = np.mean([metric_values(ranks)[:, columns] for ranks in runs], axis=0)
    return mean
