"""Pure maths of the game: losses, rewards, baselines and the policy gradient."""

from pgmel.objectives.baselines import BASELINES, NEEDS_GREEDY
from pgmel.objectives.estimators import ESTIMATORS, REUSES_DRAWS, Draws, EstimatorRules
from pgmel.objectives.infonce import infonce
from pgmel.objectives.margin import masked_mean, triplet_hinge
from pgmel.objectives.policy_gradient import (
    PolicyTerms,
    clipped,
    draw_distinct,
    draw_independent,
    drawable,
    log_probabilities,
    max_likelihood,
    policy_entropy,
    reinforce,
)
from pgmel.objectives.rewards import PUBLISHED_REWARDS, REWARDS

__all__ = [
    "BASELINES",
    "ESTIMATORS",
    "NEEDS_GREEDY",
    "PUBLISHED_REWARDS",
    "REUSES_DRAWS",
    "REWARDS",
    "Draws",
    "EstimatorRules",
    "PolicyTerms",
    "clipped",
    "draw_distinct",
    "draw_independent",
    "drawable",
    "infonce",
    "log_probabilities",
    "masked_mean",
    "max_likelihood",
    "policy_entropy",
    "reinforce",
    "triplet_hinge",
]
