"""How wrong links are if only the surest ones are kept.

Mentions are sorted by the confidence of their answer. The **coverage** is the share of them that is answered, the surest first, and the
**risk** the share of wrong ones among those. The area under the curve (AURC) is the mean risk over the coverages 1/n, 2/n ... 1: small
where answers are right, and where the wrong ones are the least confident. The excess is what remains after taking away the area that the
same answers would have in the best possible order, all right ones first; it is about the order alone. Answers of equal confidence count as
in random order, by their expected risk.

Sources: El-Yaniv and Wiener 2010, "On the Foundations of Noise-free Selective Classification" (risk and coverage); Geifman, Uziel and
El-Yaniv 2019, "Bias-Reduced Uncertainty Estimation for Deep Neural Classifiers" (AURC, excess AURC; they approximate the best order's area
by an integral, here it is the exact sum).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError
from pgmel.evaluation.bootstrap import Interval, draw_counts, percentile_intervals

__all__ = ["COVERAGES", "CoverageRisk", "RiskCoverage", "RiskCurve", "measure_risk_coverage", "risk_curve"]

COVERAGES: Final = (0.5, 0.8, 0.9, 1.0)
"""Coverages at which the risk is told."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CoverageRisk:
    """The risk at a coverage, which is the share of mentions that are answered."""

    coverage: float
    risk: Interval


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """Risk and coverage of answers.

    Args:
        aurc: Area under the risk-coverage curve, 0 to 1; smaller is better.
        excess_aurc: The same less the area of the best possible order; 0 where no wrong answer is surer than a right one.
        risks: Risks at ``COVERAGES``, of as many answers as make up at least that share.
        num_mentions: Answers measured.
        confidence: Level of the intervals.
    """

    aurc: Interval
    excess_aurc: Interval
    risks: tuple[CoverageRisk, ...]
    num_mentions: int
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and numbers, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RiskCurve:
    """The curve, thinned to a number of points.

    Args:
        coverage: Rising, to 1.
        risk: In the order of the coverages.
    """

    coverage: Floats
    risk: Floats


def measure_risk_coverage(
    confidences: npt.ArrayLike,
    right: npt.ArrayLike,
    bootstrap: int,
    confidence: float,
    rng: np.random.Generator,
    groups: Sequence[Any] | npt.NDArray[Any] | None = None,
) -> RiskCoverage:
    """Measure risk and coverage.

    Args:
        confidences: (mentions,) how sure each answer is; larger is surer.
        right: Bool (mentions,).
        bootstrap: Resamples behind the intervals.
        confidence: Level of the intervals.
        rng: Source of the resamples.
        groups: One key per mention, as in ``measure``.

    Raises:
        DataError: If the two, or the keys, do not have the same length, or there are no mentions.
    """
    values, wrong = _check(confidences, right)
    keys = range(len(values)) if groups is None else groups
    if len(keys) != len(values):
        raise DataError(f"{len(values)} mentions but {len(keys)} group keys; give one key per mention")
    positions: dict[Any, int] = {}
    member = np.fromiter((positions.setdefault(key, len(positions)) for key in keys), np.int64, len(values))
    order = np.argsort(-values, kind="stable")
    wrong, member = wrong[order], member[order]
    block = np.cumsum(np.concatenate([[0], values[order][1:] != values[order][:-1]]))
    found = _figures(wrong, block, np.ones(len(values), np.int64))
    resampled = [
        _figures(wrong, block, row[member].astype(np.int64)) for rows in draw_counts(len(positions), bootstrap, rng) for row in rows
    ]
    aurc, excess, *risks = percentile_intervals(found, np.stack(resampled), confidence)
    told = tuple(CoverageRisk(coverage, risk) for coverage, risk in zip(COVERAGES, risks, strict=True))
    return RiskCoverage(aurc, excess, told, len(values), confidence)


def risk_curve(confidences: npt.ArrayLike, right: npt.ArrayLike, points: int = 200) -> RiskCurve:
    """Return the risk over the coverage.

    Args:
        confidences: (mentions,), as in ``measure_risk_coverage``.
        right: Bool (mentions,).
        points: Most points returned, >= 2.

    Raises:
        DataError: If the two do not have the same length, or there are no mentions.
    """
    values, wrong = _check(confidences, right)
    order = np.argsort(-values, kind="stable")
    block = np.cumsum(np.concatenate([[0], values[order][1:] != values[order][:-1]]))
    risk = _risks(wrong[order], block, np.ones(len(values), np.int64))
    kept = np.arange(len(risk))
    if len(risk) > points:
        # The left end is where the curve moves most.
        kept = np.unique(np.geomspace(1, len(risk), points).round().astype(int)) - 1
    return RiskCurve((kept + 1) / len(risk), risk[kept])


def _check(confidences: npt.ArrayLike, right: npt.ArrayLike) -> tuple[Floats, Floats]:
    values, hits = np.asarray(confidences, np.float64), np.asarray(right, bool)
    if values.shape != hits.shape or values.ndim != 1 or not values.size:
        raise DataError(
            f"confidences of shape {values.shape} and outcomes of shape {hits.shape} must be of the same mentions, at least one"
        )
    return values, (~hits).astype(np.float64)


def _figures(wrong: Floats, block: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Floats:
    """Return AURC, excess AURC and the risks at ``COVERAGES`` of answers that are repeated ``counts`` times."""
    risks = _risks(wrong, block, counts)
    number, num_wrong = len(risks), round(float(wrong @ counts))
    late = np.arange(1, num_wrong + 1)
    best = (late / (number - num_wrong + late)).sum() / number
    area = risks.mean()
    # The guard against rounding: the share of a count must not need one answer more than the count.
    told = [risks[max(math.ceil(coverage * number - 1e-9), 1) - 1] for coverage in COVERAGES]
    return np.array([area, max(area - best, 0.0), *told])


def _risks(wrong: Floats, block: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Floats:
    """Return the expected risk of the first 1, 2, ... answers; those of one block come in random order."""
    size = np.bincount(block, weights=counts)
    share = np.bincount(block, weights=wrong * counts) / np.maximum(size, 1)
    expected = np.repeat(share[block], counts)
    risks: Floats = np.cumsum(expected) / np.arange(1, len(expected) + 1)
    return risks
