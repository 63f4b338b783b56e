"""From the name of a picture, as a row gives it, to its file."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

from pgmel.kb.picture_sources.archives import PICTURE_ENDINGS

__all__ = ["PictureFinder", "is_url"]

_URL: Final = re.compile(r"https?://", re.IGNORECASE)


def is_url(name: str) -> bool:
    """Whether a picture's name is an address on the web."""
    return _URL.match(name) is not None


@final
class PictureFinder:
    """Looks pictures up in folders.

    Args:
        folders: Where to look, in this order.
        fallback: Where to look last. A name of which no file is found belongs into the first folder; where there are none, into this one.
    """

    def __init__(self, folders: Sequence[Path], fallback: Path) -> None:
        self._folders = [folder.absolute() for folder in folders]
        self._fallback = fallback.absolute()
        self._listed: dict[str, list[str]] | None = None

    def find(self, name: str) -> tuple[Path, bool]:
        """Return the file of a name and whether it exists; spaces may stand for underscores, as in names from Wikimedia Commons."""
        spellings = (name,) if " " not in name else (name, name.replace(" ", "_"))
        for folder in (*self._folders, self._fallback):
            for spelling in spellings:
                try:
                    if (path := folder / spelling).is_file():
                        return _plain(path), True
                except (OSError, ValueError):
                    continue
        return _plain((*self._folders, self._fallback)[0] / name), False

    def of_entity(self, entity_id: str) -> list[Path]:
        """Return the pictures whose file, or whose folder, is called like the entity: ``Q1.jpg``, ``Q1_2.jpg``, ``Q1/front.png``."""
        if self._listed is None:
            self._listed = _list_by_stem(self._folders)
        return [Path(found) for found in self._listed.get(entity_id, ())]


def _plain(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _list_by_stem(folders: Sequence[Path]) -> dict[str, list[str]]:
    listed: dict[str, list[str]] = {}
    for folder in folders:
        for place, names, files in os.walk(folder):
            names.sort()
            for file in sorted(files):
                stem, ending = os.path.splitext(file)  # noqa: PTH122 - a million names
                if ending.lower() not in PICTURE_ENDINGS:
                    continue
                path = f"{place}/{file}"
                listed.setdefault(stem, []).append(path)
                head, _, number = stem.rpartition("_")
                if head and number.isdigit():
                    listed.setdefault(head, []).append(path)
                owner = os.path.relpath(place, folder).partition(os.sep)[0]
                if owner not in (".", stem):
                    listed.setdefault(owner, []).append(path)
    return listed
