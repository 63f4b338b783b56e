"""WikiDiverse as published, by mention and with candidates: ``{train,valid,test}_w_10cands.json``.

A record is [sentence, picture address, mention, type, left context tokens, right context tokens, entity address, candidates, topic, start,
end]. Entities: see ``pgmel.datasets.wikidiverse``. Mention ids are the split and the position in its file.
"""

import re
from pathlib import Path
from typing import Any

import msgspec

from pgmel.datasets.collecting import MentionCollector, locate
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout
from pgmel.datasets.faults import Faults, Place
from pgmel.datasets.reading import list_names, parse_record, read_items
from pgmel.datasets.wikidiverse import MentionPictures, WikipediaEntities, parse_link
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
    pictures = MentionPictures(root)
    entities = WikipediaEntities(root, faults)
    found: list[tuple[str, Mention, Place]] = []
    files = _find_splits(root)
    if not files:
        raise DataError("there is no file of mentions; looked for train_w_10cands.json, valid_w_10cands.json and test_w_10cands.json", root)
    for split, file in files.items():
        for position, item in enumerate(read_items(file)):
            where = Place(file, f"record {position + 1}")
            row = parse_record(item, _Row, faults, where)
            if row is None:
                continue
            gold = parse_link(row.address)
            if isinstance(gold, str) and not entities.add_link(gold, where):
                continue
            links = dict.fromkeys(link for address in row.candidates if isinstance(link := parse_link(address), str))
            candidates = tuple([link for link in links if entities.add_link(link, where)])
            start, end = locate(row.surface, row.sentence, row.start, row.end)
            image = pictures.path_of(row.picture)
            mention = Mention(f"{split}-{position}", row.surface, row.sentence, start, end, image, gold, candidates)
            found.append((split, mention, where))
    mentions = MentionCollector(entities.collector.ids, faults)
    for split in files:
        mentions.open_split(split)
    for split, mention, where in found:
        mentions.add(split, mention, where)
    return Contents(entities.collector.entities, mentions.splits)


WIKIDIVERSE_MENTION = Layout(
    name="wikidiverse-mention",
    description="WikiDiverse as published, one mention with ten candidates per record",
    looks_for="train_w_10cands.json, valid_w_10cands.json or test_w_10cands.json (or in wikidiverse_w_cands/, candidates/)",
    detect=_detect,
    load=_load,
)
