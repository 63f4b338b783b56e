"""The second stage of linking: the first candidates, by vectors and by name, are ranked again by what their texts say."""

from pgmel.linking.reranking.associations import WordAssociations
from pgmel.linking.reranking.facts import EntityFacts, MentionFacts
from pgmel.linking.reranking.features import FEATURES, GROUPS, pair_features
from pgmel.linking.reranking.fitting import LEAST_MENTIONS, FittedReranking, fit_reranking
from pgmel.linking.reranking.reranker import DEPTH, Reranker
from pgmel.linking.reranking.rescorer import Rescorer
from pgmel.linking.reranking.shortlist import BY_NAME, shortlist

__all__ = [
    "BY_NAME",
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
    "shortlist",
]
