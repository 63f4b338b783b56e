"""Candidates: which entities are worth a closer look."""

from pgmel.candidates.pools import Pools, build_pools, duplicate_groups

__all__ = ["Pools", "build_pools", "duplicate_groups"]
