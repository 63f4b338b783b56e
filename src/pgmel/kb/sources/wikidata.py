"""A Wikidata JSON dump: an array with one entity per line, as https://www.wikidata.org/wiki/Wikidata:Database_download describes it.

Only what is asked for is decoded of each line. Statements that are deprecated are left out, and preferred ones come first. Entities
without a label in any of the languages are left out, as nobody could mention them.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, final

import msgspec

from pgmel.errors import DataError, SettingError
from pgmel.kb.sources.columns import Columns
from pgmel.kb.sources.lines import read_lines
from pgmel.kb.sources.source import Located

__all__ = ["WIKIDATA_COLUMNS", "WikidataDump", "looks_like_wikidata"]

WIKIDATA_COLUMNS: Final = Columns("id", "name", "description", "aliases", "images", ("attributes",))

_ANY_LANGUAGE: Final = "mul"
"""Wikidata's code for labels that are the same in all languages."""

_QID: Final = re.compile(r"Q[1-9]\d*")


class _Text(msgspec.Struct):
    value: str


class _Value(msgspec.Struct):
    value: Any = None


class _Snak(msgspec.Struct):
    snaktype: str = "value"
    datavalue: _Value | None = None


class _Statement(msgspec.Struct):
    mainsnak: _Snak
    rank: str = "normal"


class _Claims(msgspec.Struct):
    P18: list[_Statement] = []
    P31: list[_Statement] = []


class _Record(msgspec.Struct):
    # An empty map is written as an empty list by some dumps.
    id: str
    type: str = "item"
    labels: dict[str, _Text] | list[Any] = {}
    descriptions: dict[str, _Text] | list[Any] = {}
    aliases: dict[str, list[_Text]] | list[Any] = {}
    claims: _Claims | list[Any] = msgspec.field(default_factory=_Claims)
    sitelinks: dict[str, msgspec.Raw] | list[Any] = {}


_decoder: Final = msgspec.json.Decoder(_Record)


@final
class WikidataDump:
    """The items of a dump, compressed or not.

    Args:
        path: The file.
        languages: Language codes; the first that has a label, and the first that has a description, are taken. Aliases come from all.
        instance_of: Keep items that are an instance (P31) of one of these, named directly; subclasses are not followed. Empty keeps all.
        min_sitelinks: Keep items with at least so many articles in Wikipedias and their like.

    Raises:
        SettingError: If an id is no ``Q`` followed by a number, or the threshold is negative.
    """

    fields: tuple[str, ...] = ("id", "name", "description", "aliases", "images", "attributes")

    def __init__(self, path: Path, languages: Sequence[str] = ("en",), instance_of: Sequence[str] = (), min_sitelinks: int = 0) -> None:
        wrong = [qid for qid in instance_of if not _QID.fullmatch(qid)]
        if wrong:
            raise SettingError(f"--instance-of must be an item's id such as Q5, got {wrong[0]!r}")
        if min_sitelinks < 0:
            raise SettingError(f"--min-sitelinks must be >= 0, got {min_sitelinks}")
        self.path = path
        self.num_left_out = 0
        self._languages = tuple(dict.fromkeys((*languages, _ANY_LANGUAGE)))
        self._classes = frozenset(instance_of)
        self._min_sitelinks = min_sitelinks

    def rows(self, fields: Sequence[str] = ()) -> Iterator[Located]:  # noqa: ARG002 - the fields are always the same
        """Yield the items that were asked for."""
        for number, line in read_lines(self.path):
            content = line.strip().removesuffix(b",")
            if content in (b"", b"[", b"]"):
                continue
            place = f"line {number}"
            try:
                record = _decoder.decode(content)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                yield place, DataError(f"the line is no Wikidata entity ({error})", self.path, place)
                continue
            values = self._values(record)
            if values is None:
                self.num_left_out += 1
            else:
                yield f"{place} ({record.id})", values

    def _values(self, record: _Record) -> dict[str, Any] | None:
        claims = record.claims if isinstance(record.claims, _Claims) else _Claims()
        classes = [value["id"] for value in _best(claims.P31) if isinstance(value, dict) and isinstance(value.get("id"), str)]
        labels, descriptions, aliases = (_map(part) for part in (record.labels, record.descriptions, record.aliases))
        name = self._first(labels)
        if record.type != "item" or not name or len(record.sitelinks) < self._min_sitelinks:
            return None
        if self._classes and self._classes.isdisjoint(classes):
            return None
        others = [alias.value for language in self._languages for alias in aliases.get(language, ())]
        others += [labels[language].value for language in self._languages if language in labels]
        return {
            "id": record.id,
            "name": name,
            "description": self._first(descriptions),
            "aliases": [alias for alias in dict.fromkeys(others) if alias != name],
            "images": [value for value in _best(claims.P18) if isinstance(value, str)],
            "attributes": {"instance of": "; ".join(dict.fromkeys(classes))} if classes else {},
        }

    def _first(self, texts: dict[str, _Text]) -> str:
        return next((texts[language].value for language in self._languages if language in texts), "")


def looks_like_wikidata(line: bytes) -> bool:
    """Whether the first line of a ``.json`` file is that of a dump: the array's bracket, or an entity."""
    return line.strip() == b"[" or (b'"labels"' in line and b'"claims"' in line)


def _best(statements: Sequence[_Statement]) -> list[Any]:
    """Return the values of statements, preferred ones first, without deprecated and unknown ones."""
    kept = [s for s in statements if s.rank != "deprecated" and s.mainsnak.snaktype == "value" and s.mainsnak.datavalue is not None]
    kept.sort(key=lambda statement: statement.rank != "preferred")
    return [statement.mainsnak.datavalue.value for statement in kept if statement.mainsnak.datavalue is not None]


def _map(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {}
