"""From scores to probabilities, and from probabilities to a link or NIL.

Two questions are answered one after the other. *Is the gold entity among the candidates?* A logistic model of two figures says how likely
that is: the **level** of the scores (a soft maximum) and the **lead** of the best candidate over the others. *Which candidate is it, if it
is one?* The softmax of the scores at a temperature. A candidate's probability is the product of the two, NIL's is one minus the first. All
numbers are fitted on dev; scores may be of any scale, similarities as well as the logits of a re-ranker.

What a re-ranker adds to a similarity says which candidate it is, and little of whether it is one: a name that fits is found for an entity
that the KB lacks too. So where there is a re-ranker the first question has a third figure, the **nearness**: the highest similarity that a
candidate had by the single vector.

NIL is answered where NIL is likely enough, or where no candidate is; both thresholds are chosen for a stated precision. The paper has no
NIL decision; all of this is ours.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, final

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import expit

from pgmel.errors import SettingError

__all__ = ["Decision", "StatedPrecision", "level_and_lead", "nearness"]

_LARGEST_LEAD = 10.0
"""Log odds beyond which a larger lead says nothing more; a lone candidate has this lead."""


@final
@dataclass(frozen=True, slots=True)
class StatedPrecision:
    """A precision that was asked for, and what came of it on dev.

    Args:
        target: Share of right answers that was asked for; None where none was.
        reached: Share of right answers; None where there was no such answer.
        low: Lower end of its interval.
        high: Upper end.
        num_answers: Answers that it is the share of; where NIL was simulated the sum of their weights, rounded.
        attainable: The highest target that some threshold reaches on dev; None where no threshold was looked for.
    """

    target: float | None
    reached: float | None
    low: float | None
    high: float | None
    num_answers: int
    attainable: float | None = None


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """How links are decided.

    Args:
        temperature: Divides scores in the softmax, > 0.
        nil_score: Level of the scores at which, without any lead, the gold entity is as likely among the candidates as not.
        threshold: The best candidate is linked only if its probability is at least this; None: nothing is linked, since no threshold
            reaches the precision that was asked for.
        num_candidates: How many candidates the figures run over, the same in fitting and linking, so that a probability does not depend
            on how many candidates a caller asks for.
        num_mentions: Dev mentions that it was fitted on.
        num_nil: Those with NIL as gold; 0 where NIL was simulated.
        simulated_nil: Whether NIL was simulated, each mention counting twice: with its gold, and without it among the candidates.
        accuracy: Share of dev mentions decided rightly, NIL or not.
        level_weight: Log odds that one unit of level adds, > 0; None (bundles of older versions) is the inverse temperature.
        lead_weight: Log odds that one unit of lead adds, >= 0.
        nil_threshold: NIL is answered where its probability is at least this; None: never for this reason.
        nil_share: Share of NIL mentions in fitting, counted or assumed.
        num_folds: Parts of dev that ``accuracy`` and the precisions were cross-fitted over; 1 where dev is too small for that, so that
            they are of the mentions that the decision was fitted on; 0: not measured.
        nil_precision: Precision of the answers that are NIL because NIL is likely enough, not because no candidate is.
        link_precision: Precision of links.
        nearness_weight: Log odds that one unit of nearness adds, >= 0; 0 where the scores are similarities themselves.
    """

    temperature: float
    nil_score: float
    threshold: float | None
    num_candidates: int
    num_mentions: int = 0
    num_nil: int = 0
    simulated_nil: bool = False
    accuracy: float | None = None
    level_weight: float | None = None
    lead_weight: float = 0.0
    nil_threshold: float | None = None
    nil_share: float | None = None
    num_folds: int = 0
    nil_precision: StatedPrecision | None = None
    link_precision: StatedPrecision | None = None
    nearness_weight: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            SettingError: If a value is out of its range.
        """
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise SettingError(f"decision.temperature must be > 0, got {self.temperature}")
        if not math.isfinite(self.nil_score):
            raise SettingError(f"decision.nil_score must be finite, got {self.nil_score}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise SettingError(f"decision.threshold must be between 0 and 1, got {self.threshold}")
        if self.num_candidates < 1:
            raise SettingError(f"decision.num_candidates must be at least 1, got {self.num_candidates}")
        if self.level_weight is not None and not (self.level_weight > 0 and math.isfinite(self.level_weight)):
            raise SettingError(f"decision.level_weight must be > 0, got {self.level_weight}")
        if not (self.lead_weight >= 0 and math.isfinite(self.lead_weight)):
            raise SettingError(f"decision.lead_weight must be >= 0, got {self.lead_weight}")
        if not (self.nearness_weight >= 0 and math.isfinite(self.nearness_weight)):
            raise SettingError(f"decision.nearness_weight must be >= 0, got {self.nearness_weight}")
        if self.nil_threshold is not None and not 0 <= self.nil_threshold <= 1:
            raise SettingError(f"decision.nil_threshold must be between 0 and 1, got {self.nil_threshold}")

    def probabilities(
        self, scores: npt.NDArray[np.floating], similarities: npt.NDArray[np.floating] | None = None
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the probabilities of candidates and of NIL.

        Args:
            scores: (mentions, candidates), best first; -inf where a mention has fewer candidates. The first ``num_candidates`` and NIL
                share the probability 1; a candidate beyond is measured on the same scale.
            similarities: (mentions, candidates) their similarities by the single vector, where a re-ranker gave the scores.

        Returns:
            (mentions, candidates) and (mentions,), each 0 to 1.

        Raises:
            ValueError: If there are no similarities, and the decision was fitted with them.
        """
        values = np.asarray(scores, dtype=np.float64)
        level, lead = level_and_lead(values[:, : self.num_candidates], self.temperature)
        weight = 1 / self.temperature if self.level_weight is None else self.level_weight
        # Without any candidate the level is -inf, and so are the log odds.
        log_odds = weight * (level - self.nil_score) + self.lead_weight * lead
        if self.nearness_weight:
            if similarities is None:
                raise ValueError("the decision was fitted for a re-ranker, and needs the similarities by the single vector too")
            log_odds += self.nearness_weight * nearness(similarities[:, : self.num_candidates])
        top = np.where(np.isfinite(level), level, 0.0)
        shares = np.exp((values - top[:, None]) / self.temperature)
        return shares * expit(log_odds)[:, None], expit(-log_odds)

    def links(self, best_probability: npt.NDArray[np.floating], nil_probability: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Return which mentions are linked to their best candidate; the others are NIL.

        Args:
            best_probability: (mentions,), of the best candidate; 0 stands for "no candidate".
            nil_probability: (mentions,), of NIL.
        """
        least = np.inf if self.threshold is None else self.threshold
        linked: npt.NDArray[np.bool_] = (best_probability >= least) & (best_probability > 0) & ~self.says_nil(nil_probability)
        return linked

    def says_nil(self, nil_probability: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Return which mentions are NIL because NIL is likely enough, not because no candidate is."""
        likely: npt.NDArray[np.bool_] = nil_probability >= (np.inf if self.nil_threshold is None else self.nil_threshold)
        return likely

    def with_min_probability(self, probability: float) -> Self:
        """Return a decision that links wherever the best candidate has this probability, and answers NIL elsewhere.

        Raises:
            SettingError: If it is not between 0 and 1.
        """
        if not 0 <= probability <= 1:
            raise SettingError(f"the least probability of a link must be between 0 and 1, got {probability}")
        return replace(self, threshold=probability, nil_threshold=None)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what ``to_dict`` gave.

        Raises:
            SettingError: If a value is missing, of another type or out of its range.
        """
        try:
            return msgspec.convert(dict(values), cls, strict=True)
        except (msgspec.ValidationError, TypeError) as error:
            raise SettingError(f"the decision's values are wrong: {error}") from None


def level_and_lead(scores: npt.NDArray[np.float64], temperature: float) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return what tells whether the gold entity is among the candidates.

    Args:
        scores: (mentions, candidates), best first; -inf where a mention has fewer candidates.
        temperature: Of the softmax, > 0.

    Returns:
        Level, in units of the scores: the soft maximum, temperature * log(sum(exp(score / temperature))); -inf without candidates. Lead:
        log odds of the best candidate against the others under the softmax, cut off at 10. Moving all scores up moves the level only;
        raising the best score lowers neither.
    """
    best = scores[:, 0]
    top = np.where(np.isfinite(best), best, 0.0)
    others = np.exp((scores[:, 1:] - top[:, None]) / temperature).sum(axis=1)
    level = best + temperature * np.log1p(others)
    with np.errstate(divide="ignore"):
        lead = np.minimum(-np.log(others), _LARGEST_LEAD)
    return level, lead


def nearness(similarities: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the highest similarity of each mention's candidates, (mentions,); 0 where there is none."""
    highest = similarities.astype(np.float64).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(highest), highest, 0.0)
