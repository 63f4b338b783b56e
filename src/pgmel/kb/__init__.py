"""The store of entities: one SQLite file, addressed by integer row inside and by id outside."""

from pgmel.kb.changing import Change, change_file, move_image_root
from pgmel.kb.schema import SCHEMA_VERSION
from pgmel.kb.store import KnowledgeBase

__all__ = ["SCHEMA_VERSION", "Change", "KnowledgeBase", "change_file", "move_image_root"]
