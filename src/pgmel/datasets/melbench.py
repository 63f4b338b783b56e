"""The layout of MELBench and GHMFC: WikiMEL (``Wikidata-MEL.json``) and Richpedia-MEL.

Mentions: one file ``Wikidata-MEL.json`` or ``Richpedia-MEL.json`` {id: {id, sentence, mentions, entities, answer}} with
``splits.json`` {train, dev, test: [ids]}, or one such file per split (``train.json``, ``dev.json``, ``test.json``). Where neither splits
the records, all of them are ``train``. The fields are lists, or scalars where a sentence has one mention.

Entities: ``qid2ne.json`` (name) with ``qid2abs.json`` (text); Richpedia-MEL prefers ``qid2abs_long.json``. Without ``qid2ne.json`` (bare
MELBench archives) the entities are those that the records name. ``search_top100.json`` {mention text: [100 QIDs]} gives candidates.

Pictures are ``images/<id>.jpg``. In Richpedia-MEL the id is the gold entity's own, so mention ids are the split and the position in its
file there, never the record's id.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pgmel.datasets.collecting import EntityCollector, MentionCollector, assign_splits, keep_known, locate, parse_gold
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout, Published
from pgmel.datasets.faults import ID_DISAGREES, UNEVEN_LISTS, UNKNOWN_QID, WRONG_TYPE, Faults, Place
from pgmel.datasets.reading import parse_record, read_members, read_value
from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention

__all__ = ["MELBENCH"]

WIKI_FILE = "Wikidata-MEL.json"
RICHPEDIA_FILE = "Richpedia-MEL.json"
NAMES_FILE = "qid2ne.json"


class _Record(msgspec.Struct):
    id: str | int
    sentence: str
    mentions: str | list[str]
    entities: str | list[str]
    answer: str | list[str]


@dataclass(frozen=True)
class _Row:
    split: str
    mention_id: str
    key: str  # of the record, and name of its picture
    sentence: str
    links: tuple[tuple[str, str, str], ...]  # surface, entity name, answer
    where: Place


def _detect(path: Path) -> bool:
    return _detect_here(path) or _detect_here(path / "input_data")


def _load(root: Path, faults: Faults) -> Contents:
    folder = root / "input_data" if _detect_here(root / "input_data") and not _detect_here(root) else root
    splits, notes = _read_rows(folder, faults)
    rows = [row for named in splits.values() for row in named]
    entities = _read_entities(folder, faults) if (folder / NAMES_FILE).is_file() else _gather_entities(rows, faults)
    mentions = MentionCollector(entities.ids, faults)
    candidates = _read_candidates(folder, entities.ids, faults)
    for split in splits:
        mentions.open_split(split)
    pictures = next((place / name for place in (root, folder) for name in ("images", "image") if (place / name).is_dir()), root / "images")
    for row in rows:
        image = pictures / f"{row.key}.jpg"
        for number, (surface, _, answer) in enumerate(row.links):
            mention_id = row.mention_id if len(row.links) == 1 else f"{row.mention_id}-{number}"
            start, end = locate(surface, row.sentence)
            listed = candidates.get(surface, ())
            mention = Mention(mention_id, surface, row.sentence, start, end, image, parse_gold(answer), listed)
            mentions.add(row.split, mention, row.where, Published(row.key, image.name))
    return Contents(entities.entities, mentions.splits, tuple(notes), published=mentions.published)


def _detect_here(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (NAMES_FILE, WIKI_FILE, RICHPEDIA_FILE))


def _read_rows(folder: Path, faults: Faults) -> tuple[dict[str, list[_Row]], list[str]]:
    single = next((folder / name for name in (WIKI_FILE, RICHPEDIA_FILE) if (folder / name).is_file()), None)
    by_split = {split: folder / f"{name}.json" for name, split in SPLIT_NAMES.items() if (folder / f"{name}.json").is_file()}
    splits_file = folder / "splits.json"
    notes: list[str] = []
    splits: dict[str, list[_Row]] = {}
    if single and splits_file.is_file():
        members = read_members(single, faults)
        named = _read_splits(splits_file)
        ids, notes = assign_splits(named, members, Place(splits_file, "the splits"), faults)
        parsed = dict(_parse(members, single, faults))
        for split, keys in ids.items():
            splits[split] = list(_name_rows(split, [(key, parsed[key]) for key in keys if key in parsed], single))
    elif by_split:
        for split, file in by_split.items():
            splits[split] = list(_name_rows(split, _parse(read_members(file, faults), file, faults), file))
    elif single:
        splits["train"] = list(_name_rows("train", _parse(read_members(single, faults), single, faults), single))
        notes.append("nothing splits the records (no splits.json): all of them are train")
    else:
        raise DataError(f"there are no mentions; looked for {WIKI_FILE}, {RICHPEDIA_FILE}, train.json, dev.json and test.json", folder)
    return splits, notes


def _read_splits(file: Path) -> dict[str, list[str | int]]:
    named: dict[str, list[str | int]] = {}
    for name, ids in read_value(file, dict[str, list[str | int]]).items():
        if name not in SPLIT_NAMES:
            raise DataError(f"the split {name!r} is none of {', '.join(SPLIT_NAMES)}", file)
        named.setdefault(SPLIT_NAMES[name], []).extend(ids)
    return named


def _parse(members: dict[str, Any], file: Path, faults: Faults) -> Iterator[tuple[str, tuple[int, _Record]]]:
    for position, (key, value) in enumerate(members.items()):
        where = Place(file, f'key "{key}"')
        record = parse_record(value, _Record, faults, where)
        if record is None:
            continue
        if str(record.id) != key:
            faults.report(ID_DISAGREES, where, f'"id": "{record.id}"')
        elif len({len(_to_list(field)) for field in (record.mentions, record.entities, record.answer)}) > 1:
            faults.report(UNEVEN_LISTS, where)
        else:
            yield key, (position, record)


def _name_rows(split: str, parsed: Iterable[tuple[str, tuple[int, _Record]]], file: Path) -> Iterator[_Row]:
    """Give every record a mention id; the record's own id serves only in WikiMEL, where it is a running number."""
    for key, (position, record) in parsed:
        own = key if file.name == WIKI_FILE else str(position)
        links = tuple(zip(_to_list(record.mentions), _to_list(record.entities), _to_list(record.answer), strict=True))
        yield _Row(split, f"{split}-{own}", key, record.sentence, links, Place(file, f'key "{key}"'))


def _to_list(field: str | list[str]) -> list[str]:
    return [field] if isinstance(field, str) else field


def _read_entities(folder: Path, faults: Faults) -> EntityCollector:
    names_file = folder / NAMES_FILE
    names = _read_texts(names_file, faults)
    long_texts = folder / "qid2abs_long.json"
    use_long = not (folder / WIKI_FILE).is_file() and long_texts.is_file()
    texts_file = long_texts if use_long else folder / "qid2abs.json"
    texts = _read_texts(texts_file, faults) if texts_file.is_file() else {}
    entities = EntityCollector(faults)
    for qid, name in names.items():
        entities.add(Entity(qid, name, (), texts.get(qid, "")), Place(names_file, f'key "{qid}"'))
    for qid in texts:
        if qid not in names:
            faults.report(UNKNOWN_QID, Place(texts_file, f'key "{qid}"'))
    return entities


def _gather_entities(rows: list[_Row], faults: Faults) -> EntityCollector:
    entities = EntityCollector(faults)
    for row in rows:
        for _, name, answer in row.links:
            if parse_gold(answer) is not NIL and answer not in entities:
                entities.add(Entity(answer, name), row.where)
    return entities


def _read_texts(file: Path, faults: Faults) -> dict[str, str]:
    texts: dict[str, str] = {}
    for key, value in read_members(file, faults).items():
        if isinstance(value, str):
            texts[key] = value
        else:
            faults.report(WRONG_TYPE, Place(file, f'key "{key}"'), f"expected str, got {type(value).__name__}")
    return texts


def _read_candidates(folder: Path, ids: Mapping[str, str], faults: Faults) -> dict[str, tuple[str, ...]]:
    file = folder / "search_top100.json"
    if not file.is_file():
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for surface, value in read_members(file, faults).items():
        where = Place(file, f'key "{surface}"')
        if listed := parse_record(value, list[str], faults, where):
            found[surface] = keep_known(listed, ids, where, faults)
    return found


MELBENCH = Layout(
    name="melbench",
    description="MELBench and GHMFC: WikiMEL and Richpedia-MEL, used by the candidate-list protocol",
    looks_for=f"{NAMES_FILE}, {WIKI_FILE} or {RICHPEDIA_FILE} (or in input_data/)",
    detect=_detect,
    load=_load,
)
