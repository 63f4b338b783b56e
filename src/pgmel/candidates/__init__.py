"""Candidates: which entities are worth a closer look."""

from pgmel.candidates.neighbours import NEIGHBOUR_RULES, Neighbours, build_neighbours, find_near_duplicates
from pgmel.candidates.pools import Pools, build_pools, duplicate_groups

__all__ = ["NEIGHBOUR_RULES", "Neighbours", "Pools", "build_neighbours", "build_pools", "duplicate_groups", "find_near_duplicates"]
