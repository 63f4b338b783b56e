"""Multimodal entity linking by metric learning against a policy-gradient generator of hard negatives.

The flow, which is also the order of imports (a package imports only what stands above it):

``records, errors, registry, files, settings, progress`` → ``datasets`` → ``kb`` → ``features`` → ``candidates`` → ``models`` →
``objectives`` → ``negatives`` → ``evaluation`` → ``training`` → ``index`` → ``linking`` → ``workflows`` → ``interfaces``
"""

from typing import TYPE_CHECKING, Any

from pgmel.records import NIL, Candidate, Entity, Link, Mention
from pgmel.version import __version__

if TYPE_CHECKING:
    from pgmel.linking import Linker

__all__ = ["NIL", "Candidate", "Entity", "Link", "Linker", "Mention", "__version__"]


def __getattr__(name: str) -> Any:
    # Linker brings torch, which takes seconds to import; records must not wait for it.
    if name == "Linker":
        from pgmel.linking import Linker

        return Linker
    raise AttributeError(f"module 'pgmel' has no attribute {name!r}")
