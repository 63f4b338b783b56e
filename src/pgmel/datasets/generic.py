"""pgmel's own layout: one JSON record per line, ``kb.jsonl`` and one file per split.

``kb.jsonl``: ``id``, ``name``, and as far as known ``aliases`` (list), ``description``, ``images`` (list of paths), ``attributes`` (object
of texts). ``train.jsonl``, ``dev.jsonl``, ``test.jsonl``: ``id``, ``mention``, ``context``, and as far as known ``start`` and ``end``
(character offsets), ``image`` (path), ``entity_id`` (``"NIL"`` or null where no entity is meant, left out where nobody annotated),
``candidates`` (list of entity ids). Paths are relative to the folder, or absolute.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec

from pgmel.datasets.collecting import EntityCollector, MentionCollector, locate
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout, Published
from pgmel.datasets.faults import MALFORMED, MISTYPED_KEY, WRONG_OFFSETS, Faults, Place
from pgmel.datasets.reading import parse_record
from pgmel.errors import DataError
from pgmel.files import read_jsonl
from pgmel.records import NIL, Entity, Mention, NilType
from pgmel.registry import nearest

__all__ = ["GENERIC", "KB_FILE", "EntityRow", "MentionRow"]

KB_FILE = "kb.jsonl"


class EntityRow(msgspec.Struct, omit_defaults=True):
    """A line of ``kb.jsonl``."""

    id: str | int
    name: str
    aliases: list[str] = []
    description: str = ""
    images: list[str] = []
    attributes: dict[str, str] = {}


class MentionRow(msgspec.Struct, omit_defaults=True):
    """A line of a split's file."""

    id: str | int
    mention: str
    context: str
    start: int | None = None
    end: int | None = None
    image: str | None = None
    entity_id: str | int | msgspec.UnsetType | None = msgspec.UNSET
    candidates: list[str | int] = []


def _detect(path: Path) -> bool:
    return (path / KB_FILE).is_file()


def _load(root: Path, faults: Faults) -> Contents:
    entities = EntityCollector(faults)
    for where, value in _read_lines(root / KB_FILE, EntityRow, faults):
        entities.add(_to_entity(value, root), where)
    mentions = MentionCollector(entities.ids, faults)
    for split, file in _find_splits(root).items():
        mentions.open_split(split)
        for where, row in _read_lines(file, MentionRow, faults):
            if row.start is not None or row.end is not None:
                inside = row.start is not None and row.end is not None and 0 <= row.start < row.end
                if not inside or row.context[row.start : row.end] != row.mention:
                    faults.report(WRONG_OFFSETS, where, f"start {row.start}, end {row.end}")
                    continue
            mentions.add(split, _to_mention(row, root), where, Published(str(row.id), row.image))
    notes = () if mentions.splits else ("there are no mentions, only a knowledge base",)
    return Contents(entities.entities, mentions.splits, notes, published=mentions.published)


def _find_splits(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name, split in SPLIT_NAMES.items():
        file = root / f"{name}.jsonl"
        if not file.is_file():
            continue
        if split in found:
            raise DataError(f"{found[split].name} and {file.name} are both the {split} split", root, fix="Remove or rename one of them")
        found[split] = file
    return found


def _read_lines(file: Path, kind: Any, faults: Faults) -> Any:
    for number, value in read_jsonl(file):
        where = Place(file, f"line {number}")
        if isinstance(value, DataError):
            faults.report(MALFORMED, where, value.rule.removeprefix("not valid JSON (").removesuffix(")"))
            continue
        row = parse_record(value, kind, faults, where)
        if row is None:
            continue
        if misspelt := _find_misspelt(tuple(value), kind):
            faults.report(MISTYPED_KEY, where, misspelt)
            continue
        yield where, row


@lru_cache(maxsize=1024)
def _find_misspelt(keys: tuple[str, ...], kind: type[msgspec.Struct]) -> str | None:
    """Name a key that is none of ours but close to one that is absent: its value would be lost in silence."""
    known = kind.__struct_fields__
    absent = [key for key in known if key not in keys]
    for key in keys:
        if key not in known and (guess := nearest(key, absent)):
            return f'key "{key}": did you mean "{guess}"?'
    return None


def _to_entity(row: EntityRow, root: Path) -> Entity:
    images = tuple([root / image for image in row.images if image])
    return Entity(str(row.id), row.name, tuple(row.aliases), row.description, images, row.attributes)


def _to_mention(row: MentionRow, root: Path) -> Mention:
    start, end = locate(row.mention, row.context, row.start, row.end)
    image = root / row.image if row.image else None
    candidates = tuple([str(candidate) for candidate in row.candidates])
    return Mention(str(row.id), row.mention, row.context, start, end, image, _to_gold(row.entity_id), candidates)


def _to_gold(value: str | int | msgspec.UnsetType | None) -> str | Literal[NilType.NIL] | None:
    if isinstance(value, msgspec.UnsetType):
        return None
    return NIL if value is None or value in ("NIL", "nil") else str(value)


GENERIC = Layout(
    name="generic",
    description="pgmel's own: kb.jsonl and train.jsonl, dev.jsonl, test.jsonl, one JSON record per line",
    looks_for=KB_FILE,
    detect=_detect,
    load=_load,
)
