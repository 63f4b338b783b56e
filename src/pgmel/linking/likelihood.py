"""The numbers of the decision of largest likelihood, with priors that hold them where dev is small.

Both fits are convex, so there is one optimum to be found. Both measure scores in units of their own spread, so that neither priors nor
limits depend on the scale of the scores: all scores times a factor, plus a constant, give the same probabilities.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

__all__ = ["Presence", "fit_presence", "fit_temperature"]

Floats = npt.NDArray[np.float64]

_LEAST_INVERSE, _LARGEST_INVERSE = 1e-3, 1e3
_PRIOR_INVERSE = 0.01
"""Ridge of the inverse temperature: where all of a small dev is linked without a fault, probabilities stay below 1."""

_PRIOR_WEIGHTS = 0.5
"""Ridge of the two weights, in units of their figures' spread."""

_PRIOR_MENTIONS = 0.5
"""Weight of one made-up mention of each kind at the mean of dev: where dev has one kind only, nothing becomes certain."""

_LEAST_WEIGHT = 1e-3
_PRECISE = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}


class Presence(NamedTuple):
    """How likely the gold entity is among the candidates.

    The log odds are level_weight * (level - nil_score) + lead_weight * lead + nearness_weight * nearness.
    """

    nil_score: float
    level_weight: float
    lead_weight: float
    nearness_weight: float


def fit_temperature(scores: Floats, position: npt.NDArray[np.int64], weights: Floats) -> float:
    """Return the temperature at which the softmax of the scores gives the gold candidates the largest likelihood.

    Args:
        scores: (mentions, candidates), best first, -inf where a mention has fewer.
        position: (mentions,), place of the gold among the candidates; mentions without it (-1) take no part.
        weights: (mentions,), how much each counts.
    """
    usable = np.isfinite(scores)
    unit = _spread(scores, usable)
    chosen = position >= 0
    scores, usable, position, weights = scores[chosen], usable[chosen], position[chosen], weights[chosen]
    # Below the best score: nothing overflows, and the softmax is the same.
    below = np.subtract(scores, scores[:, :1], where=usable, out=np.zeros_like(scores)) / unit
    gold = below[np.arange(len(below)), position]

    def loss_and_gradient(unknown: Floats) -> tuple[float, Floats]:
        inverse = unknown[0]
        shares = np.where(usable, np.exp(inverse * below), 0.0)
        total = shares.sum(axis=1)
        loss = weights @ (np.log(total) - inverse * gold) + _PRIOR_INVERSE * inverse**2 / 2
        slope = weights @ ((shares * below).sum(axis=1) / total - gold) + _PRIOR_INVERSE * inverse
        return float(loss), np.array([slope])

    limits = [(_LEAST_INVERSE, _LARGEST_INVERSE)]
    found = minimize(loss_and_gradient, np.ones(1), jac=True, method="L-BFGS-B", bounds=limits, options=_PRECISE)
    return float(unit / found.x[0])


def fit_presence(
    level: Floats, lead: Floats, is_present: npt.NDArray[np.bool_], weights: Floats, nearness: Floats | None = None
) -> Presence:
    """Fit a logistic model of whether the gold entity is among the candidates.

    The weights of the figures are held at or above 0: a better candidate never makes NIL more likely.

    Args:
        level: (mentions,) from ``level_and_lead``; mentions without any candidate (-inf) take no part.
        lead: (mentions,).
        is_present: (mentions,), whether it is.
        weights: (mentions,), how much each counts.
        nearness: (mentions,); None leaves this figure out.
    """
    known = np.isfinite(level)
    figures = np.stack([figure[known] for figure in (level, lead, nearness) if figure is not None], axis=1)
    count = figures.shape[1]
    is_present, weights = is_present[known], weights[known]
    centre, spread = np.zeros(count), np.ones(count)
    if weights.sum() > 0:
        centre = weights @ figures / weights.sum()
        spread = np.sqrt(weights @ (figures - centre) ** 2 / weights.sum())
        spread = np.where(spread > 1e-9 * np.maximum(np.abs(centre), 1e-12), spread, 1.0)
    design = np.concatenate([np.ones((len(figures), 1)), (figures - centre) / spread], axis=1)
    ridge = np.array([0.0] + [_PRIOR_WEIGHTS] * count)

    def loss_and_gradient(unknowns: Floats) -> tuple[float, Floats]:
        log_odds = design @ unknowns
        loss = weights @ (np.logaddexp(0, log_odds) - is_present * log_odds) + ridge @ unknowns**2 / 2
        slope = design.T @ (weights * (expit(log_odds) - is_present)) + ridge * unknowns
        loss += _PRIOR_MENTIONS * (2 * np.logaddexp(0, unknowns[0]) - unknowns[0])
        slope[0] += _PRIOR_MENTIONS * (2 * expit(unknowns[0]) - 1)
        return float(loss), slope

    limits = [(None, None), (_LEAST_WEIGHT, None)] + [(0.0, None)] * (count - 1)
    start = np.array([0.0] + [1.0] * count)
    constant, *slopes = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=limits, options=_PRECISE).x
    level_weight, *others = (float(slope) for slope in slopes / spread)
    shift = centre[0] - (constant - np.dot(others, centre[1:])) / level_weight
    return Presence(float(shift), level_weight, others[0], others[1] if nearness is not None else 0.0)


def _spread(scores: Floats, usable: npt.NDArray[np.bool_]) -> float:
    """Return the typical distance of a candidate from the best one."""
    rows, columns = np.nonzero(usable)
    below = scores[rows, 0] - scores[rows, columns]
    mean = float(below.mean()) if below.size else 0.0
    return mean if mean > 0 else 1.0
