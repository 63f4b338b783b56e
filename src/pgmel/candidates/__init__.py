"""Candidates: which entities are worth a closer look."""

from pgmel.candidates.fusion import CANDIDATE_SOURCES, fuse
from pgmel.candidates.name_grams import name_words
from pgmel.candidates.names import NamedRow, NameIndex
from pgmel.candidates.neighbours import NEIGHBOUR_RULES, Neighbours, build_neighbours, find_near_duplicates
from pgmel.candidates.pools import Pools, build_pools, duplicate_groups
from pgmel.candidates.table import CandidateTable

__all__ = [
    "CANDIDATE_SOURCES",
    "NEIGHBOUR_RULES",
    "CandidateTable",
    "NameIndex",
    "NamedRow",
    "Neighbours",
    "Pools",
    "build_neighbours",
    "build_pools",
    "duplicate_groups",
    "find_near_duplicates",
    "fuse",
    "name_words",
]
