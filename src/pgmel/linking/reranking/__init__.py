"""The second stage of linking: the nearest candidates are ranked again by what their texts say."""

from pgmel.linking.reranking.associations import WordAssociations
from pgmel.linking.reranking.facts import EntityFacts, MentionFacts
from pgmel.linking.reranking.features import FEATURES, GROUPS, pair_features
from pgmel.linking.reranking.fitting import LEAST_MENTIONS, FittedReranking, fit_reranking
from pgmel.linking.reranking.reranker import DEPTH, Reranker
from pgmel.linking.reranking.rescorer import Rescorer

__all__ = [
    "DEPTH",
    "FEATURES",
    "GROUPS",
    "LEAST_MENTIONS",
    "EntityFacts",
    "FittedReranking",
    "MentionFacts",
    "Reranker",
    "Rescorer",
    "WordAssociations",
    "fit_reranking",
    "pair_features",
]
