"""The layout of KGMEL, in its repository's folders or flat in one folder.

Repository: ``dataset/<name>.json``, ``dataset/mapping/ids_split_mappings.json``, ``dataset/image/<name>/``, ``KB/QID2Label.tsv``,
``KB/PID2Label.tsv``, ``KB/Triples-<name>.tsv``, ``KB/image/``; the path may be the repository, its ``data`` or ``data/dataset``, or
the JSON file itself where the folder holds several data sets. Flat: all of these files in one folder, pictures in ``images/``.

A record is {id, sentence, imgPath, mention[], entity[], answer[]}; its picture is a JPEG file, and ``mapping/ids_blank_image.json``
names the records whose picture is only a placeholder. Entities are the rows of ``QID2Label.tsv``, restricted to
``mapping/qids_candidate.json`` where that exists, since the table also describes the tails of triples. Triples become attributes
(relation to tails); they are the description too where the table has none. A record may belong to several splits, as the published ones
do; mention ids are the split, the record's id and the position in it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from pgmel.datasets.collecting import EntityCollector, MentionCollector, assign_splits, locate, parse_gold
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout, Published
from pgmel.datasets.faults import DUPLICATE_ID, UNEVEN_LISTS, WRONG_FIELDS, Faults, Place
from pgmel.datasets.reading import list_names, parse_record, read_items, read_table, read_value
from pgmel.errors import DataError
from pgmel.records import Entity, Mention

__all__ = ["KGMEL"]

SPLITS_FILE = "ids_split_mappings.json"
LABELS_FILE = "QID2Label.tsv"

Ids = list[str | int]


class _Record(msgspec.Struct):
    id: str | int
    sentence: str
    img_path: str | None = msgspec.field(name="imgPath")
    mention: list[str]
    entity: list[str]
    answer: list[str]
    address: Any = msgspec.field(name="img-url", default=None)


@dataclass(frozen=True)
class _Files:
    name: str
    dataset: Path
    mapping: Path  # folder of ids_split_mappings.json
    kb: Path  # folder of QID2Label.tsv
    pictures: Path
    entity_pictures: Path


def _find_base(path: Path) -> Path | None:
    """Return the folder that holds the data sets' JSON files."""
    folders = [path.parent] if path.suffix == ".json" else [path, path / "dataset", path / "data" / "dataset"]
    return next((folder for folder in folders if _find_mapping(folder)), None)


def _find_mapping(base: Path) -> Path | None:
    return next((folder for folder in (base, base / "mapping") if (folder / SPLITS_FILE).is_file()), None)


def _detect(path: Path) -> bool:
    return _find_base(path) is not None


def _find_files(path: Path, base: Path, mapping: Path, splits: dict[str, dict[str, Ids]]) -> _Files:
    names = [name for name in splits if (base / f"{name}.json").is_file()]
    if path.suffix == ".json" and path.stem not in names:
        raise DataError(f"{mapping / SPLITS_FILE} has no splits for {path.stem}; it has {', '.join(splits) or 'none'}", path)
    name = path.stem if path.suffix == ".json" else names[0] if len(names) == 1 else ""
    if not name:
        looked = ", ".join(f"{item}.json" for item in (names or splits))
        if names:
            raise DataError(f"the folder holds several data sets: {looked}", base, fix="Give the path of one of these files")
        raise DataError(f"there is no file of mentions; looked for {looked}", base)
    kb = next((folder for folder in (base, base.parent / "KB", base / "KB") if (folder / LABELS_FILE).is_file()), None)
    if kb is None:
        raise DataError(f"there is no {LABELS_FILE}; looked beside the mentions, in KB/ and in ../KB/", base)
    places = (base / "image" / name, base / "images" / name, base / "images", base / "image")
    pictures = next((folder for folder in places if folder.is_dir()), base / "images")
    return _Files(name, base / f"{name}.json", mapping, kb, pictures, kb / "image" if kb != base else base / "kb_image")


def _load(path: Path, faults: Faults) -> Contents:
    base = _find_base(path)
    mapping = _find_mapping(base) if base else None
    if base is None or mapping is None:
        raise DataError(f"there is no {SPLITS_FILE}; looked here and in mapping/, dataset/mapping/ and data/dataset/mapping/", path)
    splits = read_value(mapping / SPLITS_FILE, dict[str, dict[str, Ids]])
    files = _find_files(path, base, mapping, splits)
    entities = _read_entities(files, faults)
    records, seen = _read_records(files.dataset, faults)
    named = _name_splits(splits[files.name], files)
    ids, notes = assign_splits(named, seen, Place(files.mapping / SPLITS_FILE, files.name), faults)
    blank = _read_id_list(files, "ids_blank_image.json") or set()
    mentions = MentionCollector(entities.ids, faults)
    for split, keys in ids.items():
        mentions.open_split(split)
        for key in keys:
            if key not in records:
                continue
            record, where = records[key]
            image = files.pictures / (record.img_path.split(".", 1)[0] + ".jpg") if record.img_path and key not in blank else None
            address = record.address if isinstance(record.address, str) and record.address else record.img_path
            published = Published(key, address if image else None)
            for number, (surface, answer) in enumerate(zip(record.mention, record.answer, strict=True)):
                start, end = locate(surface, record.sentence)
                mention = Mention(f"{split}-{key}-{number}", surface, record.sentence, start, end, image, parse_gold(answer))
                mentions.add(split, mention, where, published)
    return Contents(entities.entities, mentions.splits, tuple(notes), files.name, mentions.published)


def _name_splits(splits: dict[str, Ids], files: _Files) -> dict[str, Ids]:
    for name in splits:
        if name not in SPLIT_NAMES:
            raise DataError(f"the split {name!r} is none of {', '.join(SPLIT_NAMES)}", files.mapping / SPLITS_FILE, files.name)
    return {SPLIT_NAMES[name]: ids for name, ids in splits.items()}


def _read_records(file: Path, faults: Faults) -> tuple[dict[str, tuple[_Record, Place]], dict[str, None]]:
    """Return the sound records by id, and the ids of all, so that a faulty record is not called missing too."""
    records: dict[str, tuple[_Record, Place]] = {}
    seen: dict[str, None] = {}
    for position, item in enumerate(read_items(file), start=1):
        where = Place(file, f"record {position}")
        record = parse_record(item, _Record, faults, where)
        if record is None:
            continue
        key = str(record.id)
        where = Place(file, f"id {key}")
        if key in seen:
            faults.report(DUPLICATE_ID, where)
        elif len({len(record.mention), len(record.entity), len(record.answer)}) > 1:
            faults.report(UNEVEN_LISTS, where)
        else:
            records[key] = (record, where)
        seen[key] = None
    return records, seen


def _read_id_list(files: _Files, name: str) -> set[str] | None:
    """Read a file {data set: [ids]} of the mapping folder; None if it is not there or says nothing of this data set."""
    file = files.mapping / name
    if not file.is_file():
        return None
    listed = read_value(file, dict[str, Ids])
    return {str(item) for item in listed[files.name]} if files.name in listed else None


def _read_entities(files: _Files, faults: Faults) -> EntityCollector:
    labels: dict[str, str] = {}
    rows: list[tuple[Place, str, str, str]] = []
    for where, fields in _read_rows(files.kb / LABELS_FILE, (2, 3), faults):
        qid, label, text = fields[0].strip(), fields[1].strip(), fields[2].strip() if len(fields) > 2 else ""
        labels.setdefault(qid, label)
        rows.append((where, qid, label, text))
    wanted = _read_id_list(files, "qids_candidate.json")
    attributes = _read_attributes(files, labels, faults)
    pictures = list_names(files.entity_pictures)
    entities = EntityCollector(faults)
    for where, qid, label, text in rows:
        if wanted is not None and qid not in wanted:
            continue
        known = attributes.get(qid, {})
        text = text or " ".join(f"{relation}: {tails}." for relation, tails in known.items())
        image = files.entity_pictures / f"{qid}_0.jpg"
        entities.add(Entity(qid, label, (), text, (image,) if image.name in pictures else (), known), where)
    return entities


def _read_attributes(files: _Files, labels: dict[str, str], faults: Faults) -> dict[str, dict[str, str]]:
    """Read the triples, if they are there, with labels for ids; one whose relation or tail has no label says nothing and is passed over."""
    file = files.kb / f"Triples-{files.name}.tsv"
    if not file.is_file():
        return {}
    relations = {fields[0].strip(): fields[1].strip() for _, fields in _read_rows(files.kb / "PID2Label.tsv", (2, 3), faults)}
    found: dict[str, dict[str, list[str]]] = {}
    for _, (head, relation, tail) in _read_rows(file, (3,), faults):
        if relation in relations and labels.get(tail):
            found.setdefault(head, {}).setdefault(relations[relation], []).append(labels[tail])
    return {head: {relation: ", ".join(dict.fromkeys(tails)) for relation, tails in known.items()} for head, known in found.items()}


def _read_rows(file: Path, counts: tuple[int, ...], faults: Faults) -> list[tuple[Place, list[str]]]:
    """Read a table, without its header if it has one; KGMEL's own have none."""
    rows: list[tuple[Place, list[str]]] = []
    for where, fields in read_table(file, faults):
        if where.text == "line 1" and fields[0].strip().lower() in ("id", "qid", "pid", "head"):
            continue
        if len(fields) in counts:
            rows.append((where, fields))
        else:
            faults.report(WRONG_FIELDS, where, f"{len(fields)} instead of {counts[-1]}")
    return rows


KGMEL = Layout(
    name="kgmel",
    description="KGMEL: WikiMEL, WikiDiverse or RichpediaMEL with triples, in its repository's folders or flat",
    looks_for=f"{SPLITS_FILE} (or in mapping/, dataset/mapping/, data/dataset/mapping/)",
    detect=_detect,
    load=_load,
)
