"""Where a knowledge base lies: in a folder that ``pgmel kb build`` wrote, in a bundle, or as a file of its own."""

from pathlib import Path
from typing import Final, NamedTuple

from pgmel.errors import KnowledgeBaseError
from pgmel.kb import KnowledgeBase
from pgmel.linking import KB_FILE, PICTURES

__all__ = ["KB_CARD", "KB_NAME", "KbPlace", "find_kb", "is_kb"]

KB_NAME: Final = "kb.sqlite"
"""The store in a KB folder."""

KB_CARD: Final = "kb.json"
"""What a KB folder says of its source, for people."""


class KbPlace(NamedTuple):
    """A KB: its file, the folder of a KB folder (which picture paths are relative to), the bundle that holds it, and its pictures."""

    file: Path
    root: Path | None
    bundle: Path | None
    pictures: Path

    def open(self) -> KnowledgeBase:
        """Open it for reading."""
        return KnowledgeBase.open(self.file, image_root=self.root)


def is_kb(path: Path) -> bool:
    """Whether a path is a KB folder, a bundle, or a KB file, rather than a data set."""
    return path.is_file() or (path / KB_NAME).is_file() or (path / KB_FILE).is_file()


def find_kb(path: Path) -> KbPlace:
    """Find the KB that a path means.

    Raises:
        KnowledgeBaseError: If there is none.
    """
    if (path / KB_FILE).is_file() or (path / "card.json").is_file():
        return KbPlace(path / KB_FILE, None, path, path / PICTURES)
    if path.is_file():
        return KbPlace(path, None, None, path.parent / PICTURES)
    if not (path / KB_NAME).is_file():
        what = "is neither a bundle nor a knowledge base" if path.exists() else "does not exist"
        raise KnowledgeBaseError(f"{path} {what}; `pgmel kb build` writes a knowledge base, `pgmel train` and `pgmel index` a bundle")
    return KbPlace(path / KB_NAME, path.absolute(), None, path / PICTURES)
