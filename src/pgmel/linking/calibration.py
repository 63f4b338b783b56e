"""Fit the decision on dev: temperature and NIL score by maximum likelihood, then the threshold by accuracy."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from pgmel.errors import DataError
from pgmel.linking.decision import Decision

__all__ = ["SIMULATED_NIL_SHARE", "fit_decision"]

SIMULATED_NIL_SHARE = 0.2
"""Where dev has no NIL mention, this share of its mentions loses the gold candidate, so that the threshold has something to learn from."""

_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.002, 10.0
_PRIOR_TEMPERATURE = 0.01
"""A weak normal prior of this scale keeps probabilities below 1 where a small dev set is linked without a fault; it fades with mentions."""

_PRECISE = {"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9}


def fit_decision(
    top_scores: npt.NDArray[np.floating], gold_position: npt.NDArray[np.integer], is_nil: npt.NDArray[np.bool_], rng: np.random.Generator
) -> Decision:
    """Fit a decision on dev mentions.

    Args:
        top_scores: (mentions, candidates), best first, -inf where a mention has fewer candidates; linking will run over as many.
        gold_position: (mentions,), place of the gold entity among the candidates from 0, -1 where it is not among them.
        is_nil: (mentions,), whether the gold is NIL.
        rng: Draws the mentions whose gold is taken out where no mention is NIL; see ``SIMULATED_NIL_SHARE``.

    Raises:
        DataError: If there are no mentions or no candidates.
        ValueError: If the shapes do not fit together.
    """
    scores = np.array(top_scores, dtype=np.float64)
    position = np.array(gold_position, dtype=np.int64)
    nil = np.array(is_nil, dtype=bool)
    if scores.ndim != 2 or position.shape != scores.shape[:1] or nil.shape != position.shape or (position >= scores.shape[1]).any():
        raise ValueError(f"shapes do not fit: scores {scores.shape}, gold positions {position.shape}, NIL {nil.shape}")
    if not scores.size:
        raise DataError("the decision needs dev mentions with candidates, and there are none", fix="Name a dev split that has mentions")
    position[nil] = -1
    simulated = not nil.any()
    if simulated:
        scores, position, nil = _simulate_nil(scores, position, rng)
    temperature, nil_score = _fit_scale(scores, position)
    unfinished = Decision(temperature, nil_score, 0.0, scores.shape[1])
    threshold, accuracy = _fit_threshold(unfinished.probabilities(scores)[0][:, 0], position == 0, nil)
    return Decision(temperature, nil_score, threshold, scores.shape[1], len(scores), int(nil.sum()), simulated, accuracy)


def _simulate_nil(
    scores: npt.NDArray[np.float64], position: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Take the gold out of a share of the candidate lists; what stands behind it moves up."""
    nil = np.zeros(len(scores), dtype=bool)
    nil[rng.permutation(len(scores))[: round(SIMULATED_NIL_SHARE * len(scores))]] = True
    scores, position = scores.copy(), position.copy()
    for row in np.flatnonzero(nil & (position >= 0)):
        scores[row] = np.append(np.delete(scores[row], position[row]), -np.inf)
    position[nil] = -1
    return scores, position, nil


def _fit_scale(scores: npt.NDArray[np.float64], position: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return temperature and NIL score of largest likelihood; a mention without its gold among the candidates counts as NIL."""
    # With inverse temperature and NIL logit as unknowns the negative log-likelihood is convex, so there is one optimum to be found.
    # Scores are centred to make the two unknowns nearly independent; -inf scores take no part.
    usable = np.isfinite(scores)
    centre = float(np.median(scores[:, 0][usable[:, 0]])) if usable[:, 0].any() else 0.0
    finite = np.where(usable, scores - centre, 0.0)
    right = np.zeros_like(finite)
    rows = np.flatnonzero(position >= 0)
    right[rows, position[rows]] = 1.0
    none_right = position < 0

    def loss_and_gradient(unknowns: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        inverse, nil_logit = unknowns
        logits = np.where(usable, inverse * finite, -np.inf)
        top = np.maximum(logits.max(axis=1), nil_logit)
        weights, nil_weight = np.exp(logits - top[:, None]), np.exp(nil_logit - top)
        total = weights.sum(axis=1) + nil_weight
        gold_logit = inverse * (right * finite).sum(axis=1) + none_right * nil_logit
        pull = _PRIOR_TEMPERATURE**2 * unknowns / len(scores)
        loss = np.mean(top + np.log(total) - gold_logit) + pull @ unknowns / 2
        by_inverse = np.mean(((weights / total[:, None] - right) * finite).sum(axis=1))
        by_nil = np.mean(nil_weight / total - none_right)
        return float(loss), np.array([by_inverse, by_nil]) + pull

    limits = [(1 / _HIGHEST_TEMPERATURE, 1 / _LOWEST_TEMPERATURE), (None, None)]
    found = minimize(loss_and_gradient, np.array([10.0, 0.0]), jac=True, method="L-BFGS-B", bounds=limits, options=_PRECISE)
    inverse, nil_logit = (float(value) for value in found.x)
    return 1 / inverse, nil_logit / inverse + centre


def _fit_threshold(
    best_probability: npt.NDArray[np.float64], best_is_gold: npt.NDArray[np.bool_], is_nil: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Return the threshold with the most right answers and their share; of equally good ones, the middle of the widest gap."""
    order = np.argsort(best_probability, kind="stable")
    probability = best_probability[order]
    # Cut i answers NIL for the i least probable mentions and links the others.
    right = np.concatenate([[0], np.cumsum(is_nil[order])]) + np.concatenate([np.cumsum(best_is_gold[order][::-1])[::-1], [0]])
    below = np.concatenate([[0.0], probability])
    above = np.concatenate([probability, [1.0]])
    possible = (below < above) | (np.arange(len(right)) == 0)
    best = right == right[possible].max()
    cut = int(np.argmax(np.where(possible & best, above - below, -1.0)))
    return float((below[cut] + above[cut]) / 2), float(right[cut] / len(probability))
