"""From similarities to probabilities, and from probabilities to a link or NIL.

The scores of a mention's candidates are divided by a temperature and put through a softmax, in which NIL takes part as one more candidate
whose score is the same for every mention. Temperature and NIL score are fitted on dev by maximum likelihood, where "NIL" stands for "none
of these candidates is right"; the best candidate is linked if its probability reaches a threshold, also chosen on dev. The paper has no
NIL decision; all of this is ours.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, final

import msgspec
import numpy as np
import numpy.typing as npt

from pgmel.errors import SettingError

__all__ = ["Decision"]


@final
@dataclass(frozen=True, slots=True)
class Decision:
    """How links are decided.

    ``temperature`` divides scores (> 0); ``nil_score`` is NIL's constant score; the best candidate is linked if its probability is at
    least ``threshold``. ``num_candidates`` is how many candidates the softmax runs over, the same in fitting and linking, so that a
    probability does not depend on how many candidates a caller asks for. The rest says what it was fitted on: ``num_mentions`` dev
    mentions, of them ``num_nil`` with NIL as gold, in truth or (``simulated_nil``) by taking the gold out of the candidates, and the
    ``accuracy`` of link-or-NIL reached there.
    """

    temperature: float
    nil_score: float
    threshold: float
    num_candidates: int
    num_mentions: int = 0
    num_nil: int = 0
    simulated_nil: bool = False
    accuracy: float | None = None

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            SettingError: If a value is out of its range.
        """
        if not (self.temperature > 0 and math.isfinite(self.temperature)):
            raise SettingError(f"decision.temperature must be > 0, got {self.temperature}")
        if not math.isfinite(self.nil_score):
            raise SettingError(f"decision.nil_score must be finite, got {self.nil_score}")
        if not 0 <= self.threshold <= 1:
            raise SettingError(f"decision.threshold must be between 0 and 1, got {self.threshold}")
        if self.num_candidates < 1:
            raise SettingError(f"decision.num_candidates must be at least 1, got {self.num_candidates}")

    def probabilities(self, scores: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the probabilities of candidates and of NIL.

        Args:
            scores: (mentions, candidates), best first; -inf where a mention has fewer candidates. The first ``num_candidates`` and NIL
                share the probability 1; a candidate beyond is measured on the same scale.

        Returns:
            (mentions, candidates) and (mentions,), each 0 to 1.
        """
        logits = np.asarray(scores, dtype=np.float64) / self.temperature
        nil = self.nil_score / self.temperature
        top = np.maximum(logits.max(axis=1, initial=-np.inf), nil)
        weights, nil_weight = np.exp(logits - top[:, None]), np.exp(nil - top)
        total = weights[:, : self.num_candidates].sum(axis=1) + nil_weight
        return weights / total[:, None], nil_weight / total

    def links(self, best_probability: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
        """Return which mentions are linked to their best candidate, given its probability; 0 stands for "no candidate"."""
        linked: npt.NDArray[np.bool_] = (best_probability >= self.threshold) & (best_probability > 0)
        return linked

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild what ``to_dict`` gave.

        Raises:
            SettingError: If a value is missing, unknown, of another type or out of its range.
        """
        try:
            return msgspec.convert(dict(values), cls, strict=True)
        except (msgspec.ValidationError, TypeError) as error:
            raise SettingError(f"the decision's values are wrong: {error}") from None
