"""What the two official layouts of WikiDiverse share: titles out of dirty addresses, names of pictures, texts of entities.

The knowledge base is Wikipedia, and an entity's id is its title with underscores. There is no list of entities: they are those that
the text tables describe and those that a gold link or a candidate names, in the order in which they come, so a gold entity is never
unknown.

Text tables are the files ``*.tsv`` beside the mentions or in ``entities/``, split on ``@@@@``: title and description (``entity2desc``), or
six fields of the full extract (annotated description, description, pictures, name, address, further pictures). The table of picture
addresses (``entity2imgs``) names no files and is passed over: entities have no pictures in this layout.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import unquote

from pgmel.datasets.collecting import EntityCollector, MentionCollector
from pgmel.datasets.dataset import Contents, Published
from pgmel.datasets.faults import DUPLICATE_ID, EMPTY_ID, WRONG_FIELDS, Faults, Place
from pgmel.datasets.reading import list_names, parse_record, read_items, read_table
from pgmel.errors import DataError
from pgmel.records import NIL, Entity, Mention, NilType

__all__ = ["MentionPictures", "Reader", "WikipediaEntities", "load_records", "parse_link", "picture_name", "title_of"]

SEPARATOR = "@@@@"

_WIKI = re.compile(r"(?P<language>[a-z-]+)(?:\.m)?\.wikipedia\.org/+wiki/+(?P<title>.*)", re.DOTALL)
_SUFFIX = re.compile(r"\S+(?=\.(?:jpg|JPG|png|PNG|svg|SVG|jpeg|JPEG))")


def title_of(address: str) -> str:
    """Return the id of the entity that an address or a title means.

    Dirt before the scheme (``nhttps``, ``]https``, ``ttps``), doubled slashes, percent escapes, section marks and the case of the first
    letter do not matter. Pages of other languages than English keep the language as a prefix; addresses outside Wikipedia stay as they are.
    """
    text = address.strip()
    match = _WIKI.search(text)
    if match is None and "://" in text:
        return text
    prefix = f"{match['language']}:" if match and match["language"] != "en" else ""
    title = unquote(match["title"] if match else text).split("#", 1)[0].replace(" ", "_").strip("_")
    first = title[:1].upper()
    return prefix + (first + title[1:] if len(first) == 1 else title)


def parse_link(address: str | None) -> str | Literal[NilType.NIL]:
    """Return the entity id of a gold link, or ``NIL``."""
    return NIL if address is None or address.strip().lower() == "nil" else title_of(address)


def picture_name(address: str) -> str:
    """Return the file name that the publisher's script gives to the picture of this address."""
    base = address.rsplit("/", 1)[-1]
    match = _SUFFIX.search(base)
    suffix = base[: match.start()] + base[match.end() :] if match else base
    name = hashlib.md5(base.encode(), usedforsecurity=False).hexdigest() + suffix
    return name.replace(".svg", ".png").replace(".SVG", ".png")


class MentionPictures:
    """Where the pictures of Wikinews lie."""

    def __init__(self, root: Path) -> None:
        places = (root / "wikinewsImgs", root / "images")
        self._folder = next((place for place in places if place.is_dir()), places[0])

    def path_of(self, address: str | None) -> Path | None:
        """Return the path of a picture, whether or not it exists; None without an address."""
        return self._folder / picture_name(address.strip()) if address and address.strip() else None


class WikipediaEntities:
    """Entities out of the text tables, and out of the links that name them."""

    def __init__(self, root: Path, faults: Faults) -> None:
        self._collector = EntityCollector(faults)
        self._faults = faults
        for folder in (root, root / "entities"):
            for name in sorted(list_names(folder)):
                if name.endswith(".tsv"):
                    self._read_texts(folder / name)

    def add_link(self, entity_id: str, where: Place) -> bool:
        """Have the entity of a link; False and a fault if the link is empty."""
        if not entity_id:
            self._faults.report(EMPTY_ID, where, "the entity's address is empty")
            return False
        if entity_id not in self._collector:
            self._collector.add(Entity(entity_id, _name_of(entity_id)), where)
        return True

    @property
    def collector(self) -> EntityCollector:
        """All entities."""
        return self._collector

    def _read_texts(self, file: Path) -> None:
        num_fields = 0
        for where, fields in read_table(file, self._faults, SEPARATOR):
            if not num_fields:
                num_fields = len(fields)
                if num_fields not in (2, 6) or (num_fields == 2 and fields[1].lstrip().startswith(("http://", "https://", "//"))):
                    return  # another table, such as that of picture addresses
            if len(fields) != num_fields:
                self._faults.report(WRONG_FIELDS, where, f"{len(fields)} instead of {num_fields}")
                continue
            address, text = (fields[0], fields[1]) if num_fields == 2 else (fields[4], fields[1])
            entity_id = title_of(address)
            if not entity_id:
                self._faults.report(EMPTY_ID, where)
            elif entity_id in self._collector:
                self._faults.report(DUPLICATE_ID, where, f'title "{entity_id}"')
            else:
                name = fields[3].strip() if num_fields == 6 else ""
                self._collector.add(Entity(entity_id, name or _name_of(entity_id), (), text.strip()), where)


def _name_of(entity_id: str) -> str:
    return (entity_id.rsplit("/", 1)[-1] if "://" in entity_id else entity_id).replace("_", " ")


Record = TypeVar("Record")
Reader = Callable[[Record, str, Place, "WikipediaEntities", "MentionPictures"], Iterator[tuple[Mention, Place, str | None]]]
"""Yields a record's mentions, where each stands, and its picture's address: ``(record, id prefix, place, entities, pictures)``."""


def load_records(
    root: Path, faults: Faults, files: Mapping[str, Path], looked_for: str, kind: type[Record], read: Reader[Record]
) -> Contents:
    """Read the files of mentions of either layout.

    Args:
        root: Folder of the data set.
        faults: Gets faulty records.
        files: Split to file.
        looked_for: Names of the files, for the message when there is none.
        kind: What a record must look like.
        read: Yields a record's mentions; gold entities and candidates are made known to ``entities`` first.

    Raises:
        DataError: If there is no file of mentions.
    """
    if not files:
        raise DataError(f"there is no file of mentions; looked for {looked_for}", root)
    pictures = MentionPictures(root)
    entities = WikipediaEntities(root, faults)
    found: list[tuple[str, tuple[Mention, Place, str | None]]] = []
    for split, file in files.items():
        for position, item in enumerate(read_items(file)):
            where = Place(file, f"record {position + 1}")
            record = parse_record(item, kind, faults, where)
            if record is not None:
                found += [(split, read_one) for read_one in read(record, f"{split}-{position}", where, entities, pictures)]
    mentions = MentionCollector(entities.collector.ids, faults)
    for split in files:
        mentions.open_split(split)
    for split, (mention, where, address) in found:
        mentions.add(split, mention, where, Published(None, address or None))
    return Contents(entities.collector.entities, mentions.splits, published=mentions.published)
