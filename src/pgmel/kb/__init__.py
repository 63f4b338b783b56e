"""The store of entities: one SQLite file, addressed by integer row inside and by id outside."""

from pgmel.kb.catalogue import Catalogue, gather_catalogue, split_values
from pgmel.kb.changing import Change, change_file, move_image_root
from pgmel.kb.publishing import copy_without_pictures
from pgmel.kb.schema import SCHEMA_VERSION
from pgmel.kb.store import KnowledgeBase

__all__ = [
    "SCHEMA_VERSION",
    "Catalogue",
    "Change",
    "KnowledgeBase",
    "change_file",
    "copy_without_pictures",
    "gather_catalogue",
    "move_image_root",
    "split_values",
]
