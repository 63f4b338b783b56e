"""WikiDiverse as published, by mention and with candidates: ``{train,valid,test}_w_10cands.json``.

A record is [sentence, picture address, mention, type, left context tokens, right context tokens, entity address, candidates, topic, start,
end]. Entities: see ``pgmel.datasets.wikidiverse``. Mention ids are the split and the position in its file.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pgmel.datasets.collecting import locate
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout
from pgmel.datasets.faults import Faults, Place
from pgmel.datasets.reading import list_names
from pgmel.datasets.wikidiverse import MentionPictures, WikipediaEntities, load_records, parse_link
from pgmel.errors import DataError
from pgmel.records import Mention

__all__ = ["WIKIDIVERSE_MENTION"]

FOLDERS = ("", "wikidiverse_w_cands", "candidates")


class _Row(msgspec.Struct, array_like=True):
    sentence: str
    picture: str | None
    surface: str
    kind: Any
    left: Any
    right: Any
    address: str | None
    candidates: list[str]
    topic: Any
    start: Any
    end: Any


def _detect(path: Path) -> bool:
    return any(_split_of(name) for folder in FOLDERS for name in list_names(path / folder))


def _split_of(name: str) -> str | None:
    match = re.fullmatch(r"(train|dev|val|valid|test)_w_\d+cands\.json", name)
    return SPLIT_NAMES[match[1]] if match else None


def _find_splits(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in FOLDERS:
        for name in sorted(list_names(root / folder)):
            split = _split_of(name)
            if split is None:
                continue
            if split in found:
                raise DataError(f"{found[split].name} and {name} are both the {split} split", root, fix="Leave one of them in the folder")
            found[split] = root / folder / name
        if found:
            return found
    return found


def _load(root: Path, faults: Faults) -> Contents:
    looked_for = "train_w_10cands.json, valid_w_10cands.json and test_w_10cands.json"
    return load_records(root, faults, _find_splits(root), looked_for, _Row, _read)


def _read(
    row: _Row, name: str, where: Place, entities: WikipediaEntities, pictures: MentionPictures
) -> Iterator[tuple[Mention, Place, str | None]]:
    gold = parse_link(row.address)
    if isinstance(gold, str) and not entities.add_link(gold, where):
        return
    links = dict.fromkeys(link for address in row.candidates if isinstance(link := parse_link(address), str))
    candidates = tuple([link for link in links if entities.add_link(link, where)])
    start, end = locate(row.surface, row.sentence, row.start, row.end)
    yield Mention(name, row.surface, row.sentence, start, end, pictures.path_of(row.picture), gold, candidates), where, row.picture


WIKIDIVERSE_MENTION = Layout(
    name="wikidiverse-mention",
    description="WikiDiverse as published, one mention with ten candidates per record",
    looks_for="train_w_10cands.json, valid_w_10cands.json or test_w_10cands.json (or in wikidiverse_w_cands/, candidates/)",
    detect=_detect,
    load=_load,
)
