"""Jobs on knowledge bases: build one from a file, change it, check it, write it out."""

from pgmel.workflows.kb.build import build_kb
from pgmel.workflows.kb.change import Action, change_kb
from pgmel.workflows.kb.check import Finding, check_kb
from pgmel.workflows.kb.encode import encode_rows, index_kb
from pgmel.workflows.kb.export import export_kb
from pgmel.workflows.kb.places import KbPlace, find_kb, is_kb
from pgmel.workflows.kb.read import KbOptions

__all__ = [
    "Action",
    "Finding",
    "KbOptions",
    "KbPlace",
    "build_kb",
    "change_kb",
    "check_kb",
    "encode_rows",
    "export_kb",
    "find_kb",
    "index_kb",
    "is_kb",
]
