"""Search over entity vectors: exact, or compressed with exact refinement."""

from pgmel.index.entity_index import KINDS, EntityIndex

__all__ = ["KINDS", "EntityIndex"]
