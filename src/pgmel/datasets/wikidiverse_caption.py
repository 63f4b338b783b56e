"""WikiDiverse as published, by caption: ``train.json``, ``valid.json``, ``test.json``.

A record is [caption, picture address, topic, [[mention, type, start, end, Wikipedia address], ...]]. Entities: see
``pgmel.datasets.wikidiverse``. Mention ids are the split, the position of the caption and that of the mention in it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pgmel.datasets.collecting import locate
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout
from pgmel.datasets.faults import Faults, Place
from pgmel.datasets.wikidiverse import MentionPictures, WikipediaEntities, load_records, parse_link
from pgmel.records import Mention

__all__ = ["WIKIDIVERSE_CAPTION"]

FOLDERS = ("", "mentions")


class _Span(msgspec.Struct, array_like=True):
    surface: str
    kind: Any
    start: Any
    end: Any
    address: str | None


class _Caption(msgspec.Struct, array_like=True):
    caption: str
    picture: str | None
    topic: Any
    spans: list[_Span]


def _detect(path: Path) -> bool:
    return bool(_find_splits(path))


def _find_splits(root: Path) -> dict[str, Path]:
    for folder in FOLDERS:
        named = ((split, root / folder / f"{name}.json") for name, split in SPLIT_NAMES.items())
        files = {split: file for split, file in named if _holds_lists(file)}
        if files:
            return files
    return {}


def _holds_lists(file: Path) -> bool:
    """Whether a file begins like a list of lists; other layouts have files of the same names."""
    try:
        with file.open("rb") as stream:
            return b"".join(stream.read(256).split()).startswith(b"[[")
    except OSError:
        return False


def _load(root: Path, faults: Faults) -> Contents:
    return load_records(root, faults, _find_splits(root), "train.json, valid.json and test.json holding lists of lists", _Caption, _read)


def _read(
    row: _Caption, name: str, where: Place, entities: WikipediaEntities, pictures: MentionPictures
) -> Iterator[tuple[Mention, Place, str | None]]:
    for number, span in enumerate(row.spans):
        here = Place(where.file, f"{where.text}, mention {number + 1}")
        gold = parse_link(span.address)
        if isinstance(gold, str) and not entities.add_link(gold, here):
            continue
        start, end = locate(span.surface, row.caption, span.start, span.end)
        mention = Mention(f"{name}-{number}", span.surface, row.caption, start, end, pictures.path_of(row.picture), gold)
        yield mention, here, row.picture


WIKIDIVERSE_CAPTION = Layout(
    name="wikidiverse-caption",
    description="WikiDiverse as published, one caption with all its mentions per record",
    looks_for="train.json, valid.json or test.json holding lists of lists (or in mentions/)",
    detect=_detect,
    load=_load,
)
