"""The layout of MIMIC's archives, which M3EL, MMoE, OT-MEL and FAST-MEL share.

One folder per data set, with ``kb_entity.json``, ``qid2id.json``, ``kb_image/``, ``mention_image/`` (``mention_images/`` in the Richpedia
archive) and one list of mentions per split: ``WIKIMEL_train.json``, ``RichpediaMEL_train.json``, ``wiki_diverse_train.json`` or, in later
repackagings, ``WikiDiverse_train.json``.

Mentions and entity names may be URL-quoted. A mention's picture is a JPEG file with the base name that the record gives; the reference
loader cuts that name at its first dot. Mention ids are the split and the position in its file.
"""

import re
from pathlib import Path
from urllib.parse import unquote

import msgspec

from pgmel.datasets.collecting import EntityCollector, MentionCollector, locate, parse_gold
from pgmel.datasets.dataset import SPLIT_NAMES, Contents, Layout, Published
from pgmel.datasets.faults import DUPLICATE_ID, ID_DISAGREES, MISSING_KEY, UNKNOWN_QID, Faults, Place
from pgmel.datasets.reading import list_names, parse_record, read_items, read_members
from pgmel.errors import DataError
from pgmel.records import Entity, Mention

__all__ = ["MIMIC", "picture_name"]

KB_FILE = "kb_entity.json"
PREFIXES = ("WIKIMEL", "WikiMEL", "RichpediaMEL", "wiki_diverse", "WikiDiverse")


class _Entity(msgspec.Struct):
    id: int
    qid: str
    entity_name: str
    image_list: list[str]
    attr: str | msgspec.UnsetType | None = msgspec.UNSET
    desc: str | msgspec.UnsetType | None = msgspec.UNSET


class _Mention(msgspec.Struct):
    mentions: str
    sentence: str
    img_path: str | None = msgspec.field(name="imgPath")
    answer: str
    cands: list[str] = []


def picture_name(img_path: str, present: frozenset[str]) -> str:
    """Return the file name of a mention's picture.

    Args:
        img_path: What the record says, possibly with folders and another suffix.
        present: The names that exist; they decide between readings of a name with several dots.

    Returns:
        The base name up to its first dot with ``.jpg``, unless only another reading exists: up to its last dot, or the name itself.
    """
    base = img_path.rsplit("/", 1)[-1]
    readings = [base.split(".", 1)[0] + ".jpg", base.rsplit(".", 1)[0] + ".jpg", base]
    return next((name for name in readings if name in present), readings[0])


def _detect(path: Path) -> bool:
    return (path / KB_FILE).is_file()


def _load(root: Path, faults: Faults) -> Contents:
    entities = _read_entities(root, faults)
    mentions = MentionCollector(entities.ids, faults)
    folder = next((root / name for name in ("mention_image", "mention_images") if (root / name).is_dir()), root / "mention_image")
    present = list_names(folder)
    for split, file in _find_splits(root).items():
        mentions.open_split(split)
        for position, item in enumerate(read_items(file)):
            where = Place(file, f"record {position + 1}")
            row = parse_record(item, _Mention, faults, where)
            if row is None:
                continue
            surface = unquote(row.mentions)
            start, end = locate(surface, row.sentence)
            image = folder / picture_name(row.img_path, present) if row.img_path else None
            gold, candidates = parse_gold(row.answer), tuple(row.cands)
            mention = Mention(f"{split}-{position}", surface, row.sentence, start, end, image, gold, candidates)
            mentions.add(split, mention, where, Published(None, row.img_path or None))
    return Contents(entities.entities, mentions.splits, published=mentions.published)


def _read_entities(root: Path, faults: Faults) -> EntityCollector:
    file = root / KB_FILE
    rows: dict[int, tuple[_Entity, Place]] = {}
    for position, item in enumerate(read_items(file), start=1):
        where = Place(file, f"record {position}")
        row = parse_record(item, _Entity, faults, where)
        if row is None:
            continue
        if row.id in rows:
            faults.report(DUPLICATE_ID, where, f"id {row.id}, first at {rows[row.id][1].text}")
        elif row.attr is msgspec.UNSET and row.desc is msgspec.UNSET:
            faults.report(MISSING_KEY, where, 'key "attr" (or "desc")')
        else:
            rows[row.id] = (row, where)
    entities = EntityCollector(faults)
    folder = root / "kb_image"
    for key in sorted(rows):
        row, where = rows[key]
        images = tuple([folder / name for name in row.image_list if name])
        text = next((value for value in (row.attr, row.desc) if isinstance(value, str) and value), "")
        entities.add(Entity(row.qid, unquote(row.entity_name), (), text, images), where)
    _check_ids(root, {row.qid: row.id for row, _ in rows.values()}, faults)
    return entities


def _check_ids(root: Path, ids: dict[str, int], faults: Faults) -> None:
    """Compare ``qid2id.json``, which some repackagings leave out, with the entities; the archives' own has an entry for ``nil``."""
    file = root / "qid2id.json"
    if not file.is_file():
        return
    listed = read_members(file, faults)
    for qid, number in listed.items():
        if qid not in ids and qid.lower() != "nil":
            faults.report(UNKNOWN_QID, Place(file, f'key "{qid}"'))
        elif qid in ids and ids[qid] != number:
            faults.report(ID_DISAGREES, Place(file, f'key "{qid}"'), f"{number} here, {ids[qid]} in {KB_FILE}")
    for qid in ids:
        if qid not in listed:
            faults.report(MISSING_KEY, Place(file, f'key "{qid}"'))


def _find_splits(root: Path) -> dict[str, Path]:
    names = list_names(root)
    found: dict[str, Path] = {}
    for split in ("train", "dev", "test"):
        suffixes = [suffix for suffix, meant in SPLIT_NAMES.items() if meant == split]
        files = [f"{prefix}_{suffix}.json" for prefix in PREFIXES for suffix in suffixes]
        files = [name for name in files if name in names]
        if not files:  # a repackaging under another name
            files = sorted(name for name in names if re.fullmatch(rf"(.*_)?({'|'.join(suffixes)})\.json", name))
        if len(files) > 1:
            raise DataError(f"several files could be the {split} split: {', '.join(files)}", root, fix="Leave one of them in the folder")
        if files:
            found[split] = root / files[0]
    if not found:
        looked = ", ".join(f"{prefix}_train.json" for prefix in PREFIXES)
        raise DataError(f"there is no file of mentions; looked for {looked} and the like", root)
    return found


MIMIC = Layout(
    name="mimic",
    description="MIMIC's archives WikiMEL, RichpediaMEL, WikiDiverse, used by the full-KB protocol",
    looks_for=KB_FILE,
    detect=_detect,
    load=_load,
)
