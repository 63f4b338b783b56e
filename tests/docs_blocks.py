"""The fenced blocks of the documentation, as tests read them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["DOCS", "FENCE", "PAGES", "ROOT", "Block", "blocks", "commands_of"]

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]

FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```[ \t]*$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="([^"]*)"')


class Block(NamedTuple):
    """A fenced block: the language, the title that the site shows above it, the text."""

    language: str
    label: str
    text: str

    @property
    def is_file(self) -> bool:
        """Whether it shows a file, which its title names."""
        return "." in self.label


def blocks(page: Path, *languages: str) -> list[Block]:
    """Return the blocks of a page in some languages, or in all."""
    found = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        language, _, options = match[2].strip().partition(" ")
        title = _TITLE.search(options)
        found.append(Block(language, title[1] if title else options, re.sub(f"^{match[1]}", "", match[3], flags=re.MULTILINE)))
    return [block for block in found if not languages or block.language in languages]


def commands_of(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the commands of a shell block, one a line: as written, and as words without what a ``#`` begins."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield line.strip(), words
