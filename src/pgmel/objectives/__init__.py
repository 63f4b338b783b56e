"""Pure maths of the game: losses, rewards, baselines and the policy gradient."""

from pgmel.objectives.baselines import BASELINES
from pgmel.objectives.infonce import in_batch_infonce
from pgmel.objectives.margin import masked_mean, triplet_hinge
from pgmel.objectives.policy_gradient import PolicyTerms, draw_distinct, draw_independent, policy_entropy, reinforce
from pgmel.objectives.rewards import REWARDS

__all__ = [
    "BASELINES",
    "REWARDS",
    "PolicyTerms",
    "draw_distinct",
    "draw_independent",
    "in_batch_infonce",
    "masked_mean",
    "policy_entropy",
    "reinforce",
    "triplet_hinge",
]
