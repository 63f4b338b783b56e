"""Fit the re-ranker: which of its candidates does a mention mean, as a softmax over the candidates (conditional logit)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from pgmel.evaluation import PairedComparison, assign_folds, compare_paired

__all__ = ["LEAST_MENTIONS", "FittedReranking", "fit_reranking"]

LEAST_MENTIONS: Final = 50
"""Mentions with their gold entity among several candidates below which nothing is fitted."""

NUM_FOLDS: Final = 5
L2: Final = 10.0
"""Pull of the scaled weights to zero, as the precision of a normal prior; that of the score itself is left free."""

_LEAST_SPREAD: Final = 1e-6


@final
@dataclass(frozen=True)
class FittedReranking:
    """What came of fitting.

    Args:
        weights: (features,) float32 in the unit of the score; None where no use could be made of the features.
        num_mentions: Mentions that it was fitted on, without those that were made up.
        num_made_up: Those that were made up.
        gain: Reciprocal ranks of the gold entity among the candidates, by the score alone and after ranking again, each mention by weights
            that were fitted on others (cross-fitting); without those that were made up.
    """

    weights: npt.NDArray[np.float32] | None
    num_mentions: int
    num_made_up: int = 0
    gain: PairedComparison | None = None

    @property
    def helps(self) -> bool:
        """Whether ranking again is better than not on mentions that were not fitted on.

        The mean decides, not the test beside it: one of the two ways has to be taken, neither is the safe one, and what looks better is the
        better guess. A test would ask the second stage for a proof that the single vector does not have to give.
        """
        return self.weights is not None and self.gain is not None and self.gain.mean_b > self.gain.mean_a


def fit_reranking(
    dense: npt.NDArray[np.floating[Any]],
    features: npt.NDArray[np.floating[Any]],
    position: npt.NDArray[np.integer[Any]],
    groups: Sequence[Any],
    rng: np.random.Generator,
    is_made_up: npt.NDArray[np.bool_] | None = None,
) -> FittedReranking:
    """Fit weights, and measure by cross-fitting over groups what they are good for.

    Args:
        dense: (mentions, candidates) scores of a single vector that was not trained on these mentions; -inf where there is no candidate.
        features: (mentions, candidates, features).
        position: (mentions,) place of the gold entity among the candidates, -1 where it is not among them; such mentions are left out.
        groups: One key per mention; mentions of one sentence are never on both sides of cross-fitting.
        rng: Deals the groups out, and draws for the test.
        is_made_up: (mentions,) those that are fitted on, and not measured; by default none.
    """
    known = np.flatnonzero((position >= 0) & (np.isfinite(dense).sum(axis=1) > 1))
    real = np.ones(len(known), bool) if is_made_up is None else ~is_made_up[known]
    num_real = int(real.sum())
    if num_real < LEAST_MENTIONS:
        return FittedReranking(None, num_real)
    scores, values, gold = dense[known].astype(np.float64), features[known].astype(np.float64), position[known]
    keys = [groups[row] for row in known.tolist()]
    folds = assign_folds(keys, NUM_FOLDS, rng)
    ranked = np.zeros(len(known))
    for fold in range(int(folds.max()) + 1):
        here = folds == fold
        weights = _fit(scores[~here], values[~here], gold[~here])
        ranked[here] = _reciprocal_ranks(scores[here] + values[here] @ weights, gold[here])
    measured = [key for key, is_real in zip(keys, real.tolist(), strict=True) if is_real]
    gain = compare_paired(_reciprocal_ranks(scores, gold)[real], ranked[real], rng, measured)
    return FittedReranking(_fit(scores, values, gold).astype(np.float32), num_real, len(known) - num_real, gain)


def _fit(dense: npt.NDArray[np.float64], features: npt.NDArray[np.float64], position: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the weights of largest penalised likelihood, in the unit of the score; zeros where the score itself tells nothing."""
    from scipy.optimize import minimize  # type: ignore[import-untyped, unused-ignore]

    present = np.isfinite(dense)
    score = np.where(present, dense, 0.0)
    inputs = np.concatenate([score[:, :, None], np.where(present[:, :, None], features, 0.0)], axis=2)
    centred = inputs - (inputs.sum(axis=1) / present.sum(axis=1)[:, None])[:, None, :]
    spread = np.sqrt((centred**2 * present[:, :, None]).sum(axis=(0, 1)) / present.sum())
    usable = spread > _LEAST_SPREAD  # a feature that never differs within a mention says nothing
    inputs = inputs[:, :, usable] / spread[usable]
    penalty = np.full(inputs.shape[2], L2 / len(inputs))
    penalty[0] = 0.0
    if not usable[0]:
        return np.zeros(features.shape[2])
    mentions = np.arange(len(inputs))

    def loss_and_gradient(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        logits = np.where(present, inputs @ weights, -np.inf)
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        total = shares.sum(axis=1)
        loss = np.mean(np.log(total) - logits[mentions, position]) + penalty @ weights**2 / 2
        shares /= total[:, None]
        shares[mentions, position] -= 1
        return float(loss), np.einsum("mc,mcf->f", shares, inputs) / len(inputs) + penalty * weights

    start = np.zeros(inputs.shape[2])
    start[0] = 1.0
    bounds = [(1e-3, 1e3), *[(None, None)] * (len(start) - 1)]
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500}).x
    weights = np.zeros(1 + features.shape[2])
    weights[usable] = found / spread[usable]
    return np.asarray(weights[1:] / weights[0])


def _reciprocal_ranks(scores: npt.NDArray[np.float64], position: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    gold = scores[np.arange(len(scores)), position][:, None]
    higher, tied = (scores > gold + 1e-6).sum(axis=1), (np.abs(scores - gold) <= 1e-6).sum(axis=1)
    return np.asarray(1 / (1 + higher + (tied - 1) / 2))
