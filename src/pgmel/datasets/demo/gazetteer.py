"""The demo's places: what is known of them, and which of their names mean several."""

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final, final

__all__ = ["Place", "find_ambiguous", "is_code", "load_places", "read_data"]

_PACKAGE: Final = "pgmel.datasets.demo"


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A state, region or island, of today or of the past.

    ``region`` is read after "in", ``clue`` is a noun phrase that knows which place is meant, ``flag`` describes the flag's geometry (None
    where it cannot be drawn), and ``in_kb`` is False for places that are left out of the knowledge base on purpose.
    """

    id: str
    name: str
    aliases: tuple[str, ...]
    kind: str
    region: str
    capital: str
    clue: str
    era: str
    flag: str | None
    in_kb: bool

    @property
    def names(self) -> tuple[str, ...]:
        """The name and the aliases."""
        return (self.name, *self.aliases)

    @property
    def description(self) -> str:
        """One line: kind, region, era, seat of government."""
        kind = self.kind[0].upper() + self.kind[1:]
        era = f", {self.era}" if self.era else ""
        capital = f" Capital: {self.capital}." if self.capital else ""
        return f"{kind} in {self.region}{era}.{capital}"


def read_data(name: str) -> dict[str, Any]:
    """Read one of the demo's own TOML files."""
    return tomllib.loads((files(_PACKAGE) / name).read_text(encoding="utf-8"))


@cache
def load_places() -> tuple[Place, ...]:
    """Read all places, those of the knowledge base first."""
    entities, flags = read_data("entities.toml"), read_data("flags.toml")
    return tuple(
        _to_place(place_id, facts, flags.get(place_id), in_kb)
        for part, in_kb in (("kb", True), ("nil", False))
        for place_id, facts in entities[part].items()
    )


def _to_place(place_id: str, facts: Mapping[str, Any], flag: str | None, in_kb: bool) -> Place:
    return Place(
        id=place_id,
        name=facts["name"],
        aliases=tuple(facts["aka"]),
        kind=facts["kind"],
        region=facts["place"],
        capital=facts["capital"],
        clue=facts["clue"],
        era=facts.get("era", ""),
        flag=flag,
        in_kb=in_kb,
    )


def find_ambiguous(places: Iterable[Place]) -> dict[str, tuple[Place, ...]]:
    """Return every name that at least two places of the knowledge base share, with those places."""
    named: defaultdict[str, list[Place]] = defaultdict(list)
    for place in places:
        if place.in_kb:
            for name in place.names:
                named[name].append(place)
    return {name: tuple(sharing) for name, sharing in named.items() if len(sharing) > 1}


def is_code(name: str) -> bool:
    """Tell two-letter codes from names."""
    return len(name) == 2 and name.isupper()
