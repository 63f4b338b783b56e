"""Multimodal entity linking by metric learning against a policy-gradient generator of hard negatives.

The flow, which is also the order of imports (a package imports only what stands above it):

``records, errors, registry, files, toml_files, settings, progress`` → ``datasets`` → ``kb`` → ``features`` → ``candidates`` → ``models`` →
``objectives`` → ``negatives`` → ``evaluation`` → ``training`` → ``index`` → ``linking`` → ``workflows`` → ``interfaces``
"""

from typing import TYPE_CHECKING, Any, Final

from pgmel.records import NIL, Candidate, Entity, Explanation, Link, Mention, NilType, PictureEffect, ScorePart, WordEffect
from pgmel.version import __version__

if TYPE_CHECKING:
    from pgmel.errors import (
        BundleError,
        CheckpointError,
        DataError,
        EncoderError,
        IndexFileError,
        KnowledgeBaseError,
        MissingExtraError,
        PgmelError,
        SettingError,
    )
    from pgmel.kb import KnowledgeBase
    from pgmel.linking import BulkJob, BulkOptions, Counts, Decision, InputOptions, Linker

__all__ = [
    "NIL",
    "BulkJob",
    "BulkOptions",
    "BundleError",
    "Candidate",
    "CheckpointError",
    "Counts",
    "DataError",
    "Decision",
    "EncoderError",
    "Entity",
    "Explanation",
    "IndexFileError",
    "InputOptions",
    "KnowledgeBase",
    "KnowledgeBaseError",
    "Link",
    "Linker",
    "Mention",
    "MissingExtraError",
    "NilType",
    "PgmelError",
    "PictureEffect",
    "ScorePart",
    "SettingError",
    "WordEffect",
    "__version__",
]

# The linker brings torch, which takes seconds to import; records must not wait for it.
_LATER: Final = {
    **dict.fromkeys(("BulkJob", "BulkOptions", "Counts", "Decision", "InputOptions", "Linker"), "pgmel.linking"),
    "KnowledgeBase": "pgmel.kb",
    **{name: "pgmel.errors" for name in __all__ if name.endswith("Error")},
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'pgmel' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(_LATER[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
