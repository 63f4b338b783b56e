"""Fit the decision on dev: probabilities by maximum likelihood, thresholds for a stated precision.

Where dev has no NIL mention, NIL is simulated: each mention counts twice, with its gold entity, and without it among the candidates; the
weights of the two make up the assumed share of NIL mentions. So nothing is drawn, and every mention teaches both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, Self, final

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import assign_folds
from pgmel.linking.decision import Decision, StatedPrecision, level_and_lead, nearness
from pgmel.linking.likelihood import fit_presence, fit_temperature
from pgmel.linking.thresholds import choose_threshold, state_precision

__all__ = ["LEAST_GROUPS", "NUM_FOLDS", "DecisionGoals", "DevScores", "cross_fit", "fit_decision"]

NUM_FOLDS: Final = 5

LEAST_GROUPS: Final = 10
"""Sentences below which cross-fitting would fit on next to nothing."""


@final
@dataclass(frozen=True, slots=True)
class DecisionGoals:
    """What the decision is to achieve.

    Args:
        nil_precision: Share of NIL answers that are to be right, between 0 and 1.
        link_precision: Share of links that are to be right; None asks for nothing.
        nil_share: Share of NIL mentions that is assumed where dev has none, between 0 and 1.
    """

    nil_precision: float = 0.8
    link_precision: float | None = None
    nil_share: float = 0.2

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            SettingError: If a value is out of its range.
        """
        for name in ("nil_precision", "link_precision", "nil_share"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 1:
                raise SettingError(f"linking.{name} must be between 0 and 1, got {value}")


@final
class DevScores(NamedTuple):
    """The candidates of annotated mentions, as scored by whatever decides their order.

    Attributes:
        scores: (mentions, candidates), best first, -inf where a mention has fewer. One column more than linking runs over lets a list from
            which the gold is taken keep its length.
        position: (mentions,), place of the gold entity among the candidates from 0, -1 where it is not among them.
        is_nil: (mentions,), whether the gold is NIL.
        similarities: (mentions, candidates) by the single vector, of the same candidates; None where the scores are these.
    """

    scores: npt.NDArray[np.float64]
    position: npt.NDArray[np.int64]
    is_nil: npt.NDArray[np.bool_]
    similarities: npt.NDArray[np.float64] | None = None

    def take(self, rows: npt.NDArray[Any]) -> "DevScores":
        """Return some of the mentions."""
        return DevScores(self.scores[rows], self.position[rows], self.is_nil[rows], _rows_of(self.similarities, rows))

    @classmethod
    def check(
        cls, scores: npt.ArrayLike, position: npt.ArrayLike, is_nil: npt.ArrayLike, similarities: npt.ArrayLike | None = None
    ) -> Self:
        """Bring them into their types.

        Raises:
            DataError: If there are no mentions or no candidates.
            ValueError: If the shapes do not fit together.
        """
        table, place, nil = np.asarray(scores, np.float64), np.array(position, np.int64), np.asarray(is_nil, bool)
        if table.ndim != 2 or place.shape != table.shape[:1] or nil.shape != place.shape or (place >= table.shape[1]).any():
            raise ValueError(f"shapes do not fit: scores {table.shape}, gold positions {place.shape}, NIL {nil.shape}")
        if not table.size:
            raise DataError("the decision needs dev mentions with candidates, and there are none", fix="Name a dev split that has mentions")
        place[nil] = -1
        near = None if similarities is None else np.asarray(similarities, np.float64)
        if near is not None and near.shape != table.shape:
            raise ValueError(f"shapes do not fit: scores {table.shape}, similarities {near.shape}")
        return cls(table, place, nil, near)


class _Fit(NamedTuple):
    """What is fitted on: mentions over exactly the candidates that linking runs over, with weights."""

    scores: npt.NDArray[np.float64]
    position: npt.NDArray[np.int64]
    is_nil: npt.NDArray[np.bool_]
    weights: npt.NDArray[np.float64]
    similarities: npt.NDArray[np.float64] | None


def fit_decision(
    dev: DevScores,
    rng: np.random.Generator,
    groups: Sequence[Any] | None = None,
    goals: DecisionGoals | None = None,
    num_candidates: int | None = None,
) -> Decision:
    """Fit a decision on dev mentions, and measure it on dev by cross-fitting.

    Args:
        dev: The mentions.
        rng: Deals the groups out to the parts of cross-fitting; the decision itself draws nothing.
        groups: One key per mention; mentions that share words (a sentence) should not be on both sides. None: each mention by itself.
        goals: What it is to achieve.
        num_candidates: How many candidates linking runs over; by default all columns of the scores.

    Raises:
        DataError: If there are no mentions or no candidates.
        ValueError: If the shapes do not fit together.
    """
    dev, goals = DevScores.check(*dev), goals or DecisionGoals()
    count = num_candidates or dev.scores.shape[1]
    decision = _fit(dev, goals, count)
    folds, fitted = cross_fit(dev, rng, groups, goals, count)
    if not fitted:
        folds, fitted = np.zeros(len(dev.scores), np.int64), (decision,)
    parts = [_decide(one, _prepare(dev.take(folds == place), goals, count, decision.simulated_nil)) for place, one in enumerate(fitted)]
    is_linked, says_nil, best_is_gold, is_nil, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    right = np.where(is_linked, best_is_gold, is_nil)
    stated = [
        state_precision(old.target, right[given], weights[given], float(weights.max()), old.attainable)
        for old, given in ((decision.nil_precision, says_nil), (decision.link_precision, is_linked))
        if old is not None
    ]
    accuracy = float(weights @ right / weights.sum())
    return replace(decision, accuracy=accuracy, num_folds=len(fitted), nil_precision=stated[0], link_precision=stated[1])


def cross_fit(
    dev: DevScores,
    rng: np.random.Generator,
    groups: Sequence[Any] | None = None,
    goals: DecisionGoals | None = None,
    num_candidates: int | None = None,
) -> tuple[npt.NDArray[np.int64], tuple[Decision, ...]]:
    """Fit one decision for each part of dev, on all other parts: to judge mentions that a decision has not seen.

    Args:
        dev: The mentions.
        rng: Deals the groups out.
        groups: One key per mention, as in ``fit_decision``.
        goals: What decisions are to achieve.
        num_candidates: As in ``fit_decision``.

    Returns:
        The part of each mention, and the decision for each part; no decision where there are fewer than ``LEAST_GROUPS`` groups.
    """
    dev, goals = DevScores.check(*dev), goals or DecisionGoals()
    count = num_candidates or dev.scores.shape[1]
    keys = list(range(len(dev.scores))) if groups is None else groups
    if len(set(keys)) < LEAST_GROUPS:
        return np.zeros(len(dev.scores), np.int64), ()
    simulated = not dev.is_nil.any()
    folds = assign_folds(keys, NUM_FOLDS, rng, rare=dev.is_nil)
    return folds, tuple(_fit(dev.take(folds != place), goals, count, simulated) for place in range(int(folds.max()) + 1))


def _prepare(dev: DevScores, goals: DecisionGoals, count: int, simulated: bool) -> _Fit:
    """Weigh the mentions; where NIL is simulated, add each one without its gold."""
    scores, position = dev.scores[:, :count], np.where(dev.position < count, dev.position, -1)
    similarities = None if dev.similarities is None else dev.similarities[:, :count]
    if not simulated:
        return _Fit(scores, position, dev.is_nil, np.ones(len(scores)), similarities)
    weights = np.repeat([1 - goals.nil_share, goals.nil_share], len(scores))
    is_nil = np.repeat([False, True], len(scores))
    scores = np.concatenate([scores, _without_gold(dev.scores, dev.position, count)])
    if similarities is not None and dev.similarities is not None:
        similarities = np.concatenate([similarities, _without_gold(dev.similarities, dev.position, count)])
    return _Fit(scores, np.concatenate([position, np.full(len(position), -1)]), is_nil, weights, similarities)


def _without_gold(values: npt.NDArray[np.float64], position: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.float64]:
    """Take the gold out of the candidate lists; what stands behind it moves up."""
    # The gold's column goes to the end, all others keep their order.
    order = np.argsort(np.arange(values.shape[1]) == position[:, None], axis=1, kind="stable")
    left = np.take_along_axis(values, order, axis=1)
    left[position >= 0, -1] = -np.inf
    short = count - left.shape[1]
    return np.pad(left, ((0, 0), (0, max(short, 0))), constant_values=-np.inf)[:, :count]


def _rows_of(values: npt.NDArray[np.float64] | None, rows: npt.NDArray[Any]) -> npt.NDArray[np.float64] | None:
    return None if values is None else values[rows]


def _fit(dev: DevScores, goals: DecisionGoals, count: int, simulated: bool | None = None) -> Decision:
    simulated = not dev.is_nil.any() if simulated is None else simulated
    data = _prepare(dev, goals, count, simulated)
    temperature = fit_temperature(data.scores, data.position, data.weights)
    level, lead = level_and_lead(data.scores, temperature)
    near = None if data.similarities is None else nearness(data.similarities)
    presence = fit_presence(level, lead, data.position >= 0, data.weights, near)
    decision = Decision(
        temperature=temperature,
        nil_score=presence.nil_score,
        threshold=0.0,
        num_candidates=count,
        num_mentions=len(dev.scores),
        num_nil=int(dev.is_nil.sum()),
        simulated_nil=simulated,
        level_weight=presence.level_weight,
        lead_weight=presence.lead_weight,
        nearness_weight=presence.nearness_weight,
        nil_share=goals.nil_share if simulated else float(data.is_nil.mean()),
    )
    return _choose_thresholds(decision, data, goals)


def _choose_thresholds(decision: Decision, data: _Fit, goals: DecisionGoals) -> Decision:
    likely, nil = decision.probabilities(data.scores, data.similarities)
    chosen = choose_threshold(nil, data.is_nil, data.weights, goals.nil_precision, right_otherwise=data.position == 0)
    asked = StatedPrecision(goals.nil_precision, None, None, None, 0, chosen.attainable)
    decision = replace(decision, nil_threshold=chosen.threshold, nil_precision=asked)
    if goals.link_precision is None:
        return replace(decision, link_precision=StatedPrecision(None, None, None, None, 0))
    linked = decision.links(likely[:, 0], nil)
    chosen = choose_threshold(likely[linked, 0], data.position[linked] == 0, data.weights[linked], goals.link_precision)
    # A precision that no threshold reaches is kept by linking nothing: whoever states one relies on it.
    return replace(
        decision, threshold=chosen.threshold, link_precision=StatedPrecision(goals.link_precision, None, None, None, 0, chosen.attainable)
    )


def _decide(decision: Decision, data: _Fit) -> tuple[npt.NDArray[Any], ...]:
    """Return what is linked, what is said to be NIL, whose best candidate is right, what is NIL, and weights."""
    likely, nil = decision.probabilities(data.scores, data.similarities)
    return decision.links(likely[:, 0], nil), decision.says_nil(nil), data.position == 0, data.is_nil, data.weights
