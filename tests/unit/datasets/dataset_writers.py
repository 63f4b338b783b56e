"""Write small data sets in every published layout, field by field as their publishers do."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgmel.errors import DataError

NIL_GOLD = "nil"


@dataclass
class Link:
    """A mention to write: its text, its sentence, the number of its gold entity (None is NIL), the name of its picture ('' is none)."""

    surface: str
    context: str
    gold: int | None
    picture: str = ""


@dataclass
class Plain:
    """A data set without a layout: names and texts of the entities, and mentions by split (train, dev, test)."""

    entities: list[tuple[str, str]]
    splits: dict[str, list[Link]] = field(default_factory=dict)


def small() -> Plain:
    """Three entities of which two share a name, and mentions in all splits, one of them NIL."""
    return Plain(
        entities=[("Congo", "Country in the west"), ("Congo", "Country in the east"), ("Georgia", "")],
        splits={
            "train": [Link("Congo", "The Congo is a river.", 0, "a.jpg"), Link("Tbilisi", "A street there", None)],
            "dev": [Link("Georgia", "Wine from Georgia", 2, "b.jpg")],
            "test": [Link("Congo", "Kinshasa, Congo", 1, "a.jpg")],
        },
    )


def write(file: Path, value: Any) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return file


def write_lines(file: Path, rows: list[Any]) -> Path:
    return write(file, "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows))


def write_generic(root: Path, plain: Plain) -> Path:
    write_lines(root / "kb.jsonl", [{"id": f"Q{n}", "name": name, "description": text} for n, (name, text) in enumerate(plain.entities)])
    for split, links in plain.splits.items():
        rows = [
            {
                "id": f"{split}{n}",
                "mention": link.surface,
                "context": link.context,
                "entity_id": "NIL" if link.gold is None else f"Q{link.gold}",
            }
            | ({"image": f"images/{link.picture}"} if link.picture else {})
            for n, link in enumerate(links)
        ]
        write_lines(root / f"{split}.jsonl", rows)
    return root


def write_mimic(root: Path, plain: Plain, prefix: str = "WIKIMEL", text_key: str = "attr") -> Path:
    entities = [
        {"id": n, "qid": f"Q{n}", "type": "entity", "entity_name": name.replace("%", "%25"), text_key: text, "image_list": [f"Q{n}.jpg"]}
        for n, (name, text) in enumerate(plain.entities)
    ]
    write(root / "kb_entity.json", entities)
    write(root / "qid2id.json", {f"Q{n}": n for n in range(len(plain.entities))})
    for split, links in plain.splits.items():
        rows = [
            {"mentions": link.surface.replace("%", "%25"), "sentence": link.context, "imgPath": link.picture, "answer": _gold(link)}
            for link in links
        ]
        write(root / f"{prefix}_{split}.json", rows)
    return root


def write_melbench_wiki(root: Path, plain: Plain) -> Path:
    records, splits = {}, {}
    for split, links in plain.splits.items():
        splits[split] = []
        for link in links:
            key = str(100 + len(records))
            splits[split].append(key)
            record = {"sentence": link.context, "mentions": [link.surface], "entities": [_name(plain, link)], "answer": [_gold(link)]}
            records[key] = {"id": key} | record
    write(root / "Wikidata-MEL.json", records)
    write(root / "splits.json", splits)
    _write_names(root, plain)
    return root


def write_melbench_richpedia(root: Path, plain: Plain) -> Path:
    for split, links in plain.splits.items():
        records = {
            f"K{n}": {
                "id": f"K{n}",
                "sentence": link.context,
                "mentions": link.surface,
                "entities": _name(plain, link),
                "answer": _gold(link),
            }
            for n, link in enumerate(links)
        }
        write(root / f"{split}.json", records)
    _write_names(root, plain)
    return root


def write_kgmel(root: Path, plain: Plain) -> Path:
    records, splits = [], {}
    for split, links in plain.splits.items():
        splits["val" if split == "dev" else split] = list(range(len(records), len(records) + len(links)))
        for link in links:
            record = {"id": len(records), "sentence": link.context, "imgPath": link.picture, "mention": [link.surface]}
            records.append(record | {"entity": [_name(plain, link)], "answer": [_gold(link)], "img-url": "https://example.org/x.jpg"})
    write(root / "WikiDiverse.json", records)
    write(root / "ids_split_mappings.json", {"WikiDiverse": splits})
    rows = ["id\tlabel\tdesc"] + [f"Q{n}\t{name}\t{text}" for n, (name, text) in enumerate(plain.entities)]
    write(root / "QID2Label.tsv", "\n".join(rows) + "\n")
    return root


def write_wikidiverse_caption(root: Path, plain: Plain) -> Path:
    for split, links in plain.splits.items():
        rows = []
        for link in links:
            span = [link.surface, "Location", 0, len(link.surface), _address(link)]
            rows.append([link.context, _picture_address(link), "sports", [span]])
        write(root / f"{'valid' if split == 'dev' else split}.json", rows)
    _write_tsv(root, plain)
    return root


def write_wikidiverse_mention(root: Path, plain: Plain) -> Path:
    candidates = [f"https://en.wikipedia.org/wiki/E{n}" for n in range(len(plain.entities))]
    for split, links in plain.splits.items():
        rows = []
        for link in links:
            row = [link.context, _picture_address(link), link.surface, "Location", ["left"], ["right"]]
            rows.append([*row, _address(link), candidates, "sports", 0, len(link.surface)])
        write(root / f"{'valid' if split == 'dev' else split}_w_10cands.json", rows)
    _write_tsv(root, plain)
    return root


WRITERS = {
    "generic": write_generic,
    "mimic": write_mimic,
    "melbench wiki": write_melbench_wiki,
    "melbench richpedia": write_melbench_richpedia,
    "kgmel": write_kgmel,
    "wikidiverse-caption": write_wikidiverse_caption,
    "wikidiverse-mention": write_wikidiverse_mention,
}


def at(error: DataError) -> tuple[str, str | None, str]:
    """File name, place and rule of a fault; the message must hold all three."""
    message = str(error)
    assert str(error.file) in message
    assert error.rule in message
    assert error.place is None or error.place in message
    return Path(str(error.file)).name, error.place, error.rule


def _gold(link: Link) -> str:
    return NIL_GOLD if link.gold is None else f"Q{link.gold}"


def _name(plain: Plain, link: Link) -> str:
    return NIL_GOLD if link.gold is None else plain.entities[link.gold][0]


def _address(link: Link) -> str:
    return NIL_GOLD if link.gold is None else f"https://en.wikipedia.org/wiki/E{link.gold}"


def _picture_address(link: Link) -> str:
    return f"https://upload.wikimedia.org/{link.picture}" if link.picture else ""


def _write_names(root: Path, plain: Plain) -> None:
    write(root / "qid2ne.json", {f"Q{n}": name for n, (name, _) in enumerate(plain.entities)})
    write(root / "ne2qid.json", {name: f"Q{n}" for n, (name, _) in enumerate(plain.entities)})
    write(root / "qid2abs.json", {f"Q{n}": text for n, (_, text) in enumerate(plain.entities)})


def _write_tsv(root: Path, plain: Plain) -> None:
    write(root / "entity2desc.tsv", "".join(f"E{n}@@@@{text}\n" for n, (_, text) in enumerate(plain.entities)))
