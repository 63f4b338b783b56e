"""What a linker does where the KB lacks the entity: figures on data from whose KB some gold entities were removed.

Whole entities are removed: all their mentions become NIL, and nobody else is linked to them either. As every mention's entity was in the KB
before, the gold "none" is certain, which it is not where annotators merely did not find an entity.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError, SettingError
from pgmel.evaluation.nil import NilMetrics
from pgmel.evaluation.reliability import Reliability
from pgmel.evaluation.risk_coverage import RiskCoverage

__all__ = ["RemovedGold", "draw_removed"]


@dataclass(frozen=True, slots=True)
class RemovedGold:
    """Figures of the decision between linking and NIL, with gold entities removed from the KB.

    Args:
        share: Share of the split's gold entities that was to be removed.
        num_removed: Entities removed.
        num_entities: Entities left.
        num_folds: Parts that the decision was cross-fitted over, since the bundle's own was fitted on these mentions; 0 where it was not,
            and is measured as it is; 1 where it was, and there are too few sentences for cross-fitting, so that figures are too good.
        nil: Precision, recall and F1 of NIL answers, and the share of right decisions.
        risk: Risk and coverage of the best candidate by its probability; wrong where the mention is NIL.
        reliability: Calibration of that probability.
    """

    share: float
    num_removed: int
    num_entities: int
    num_folds: int
    nil: NilMetrics
    risk: RiskCoverage
    reliability: Reliability


def draw_removed(gold_rows: npt.ArrayLike, share: float, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw the entities to remove: a share of those that are the gold of some mention.

    Args:
        gold_rows: (mentions,) KB row of each gold entity, -1 where there is none.
        share: Between 0 and 1; rounded to whole entities, of which at least one is removed and at least one stays.
        rng: Draws them.

    Returns:
        KB rows, rising.

    Raises:
        SettingError: If the share is out of its range.
        DataError: If there are fewer than two gold entities.
    """
    if not 0 < share < 1:
        raise SettingError(f"the share of gold entities to remove must be between 0 and 1, got {share}")
    rows = np.asarray(gold_rows, np.int64)
    golds = np.unique(rows[rows >= 0])
    if len(golds) < 2:
        raise DataError(f"gold entities cannot be removed: there are {len(golds)}, and at least two are needed")
    count = min(max(round(share * len(golds)), 1), len(golds) - 1)
    return np.sort(rng.permutation(golds)[:count])
