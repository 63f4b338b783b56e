"""The records that travel through pgmel: mentions, entities, candidates and links."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Literal

__all__ = ["NIL", "NIL_TEXT", "Candidate", "Entity", "Link", "Mention", "NilType"]


class NilType(Enum):
    """Type of the sentinel ``NIL``: the mention means no entity of the KB."""

    NIL = "NIL"

    def __repr__(self) -> str:
        return "NIL"


NIL: Final = NilType.NIL
"""The answer "none of the KB's entities"; a value of its own inside, the text ``"NIL"`` only in files, HTTP and spaCy."""

NIL_TEXT: Final = "NIL"


@dataclass(frozen=True, slots=True)
class Mention:
    """A span of text in its sentence, with or without a picture.

    ``start`` and ``end`` are character offsets into ``context``. ``entity_id`` is the gold entity, ``NIL`` where the annotator found
    none, or None where nobody annotated. ``candidates`` holds entity ids where the data set gives a candidate list.
    """

    id: str
    surface: str
    context: str = ""
    start: int | None = None
    end: int | None = None
    image: Path | None = None
    entity_id: str | Literal[NilType.NIL] | None = None
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """An entry of the knowledge base; ``id`` is its key, as a string."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    images: tuple[Path, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity proposed for one mention.

    ``score`` is the similarity of the two unit vectors, -1 to 1, larger is nearer; ``probability`` is calibrated on dev, or None
    where the bundle was not calibrated.
    """

    entity_id: str
    name: str
    score: float
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """What the linker says of one mention: its candidates, best first, and the chosen entity or ``NIL``."""

    mention_id: str
    entity_id: str | Literal[NilType.NIL]
    probability: float | None
    candidates: tuple[Candidate, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def is_nil(self) -> bool:
        """Whether no entity of the KB is meant."""
        return self.entity_id is NIL
