"""The records that travel through pgmel: mentions, entities, candidates and links."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Literal

__all__ = [
    "NIL",
    "NIL_TEXT",
    "Candidate",
    "Entity",
    "Explanation",
    "Link",
    "LinkDecision",
    "Mention",
    "NilType",
    "PictureEffect",
    "ScorePart",
    "WordEffect",
]


class NilType(Enum):
    """Type of the sentinel ``NIL``: the mention means no entity of the KB."""

    NIL = "NIL"

    def __repr__(self) -> str:
        return "NIL"


NIL: Final = NilType.NIL
"""The answer "none of the KB's entities"; a value of its own inside, the text ``"NIL"`` only in files, HTTP and spaCy."""

NIL_TEXT: Final = "NIL"

LinkDecision = Literal["linked", "nil", "unsure"]
"""What was decided: to link; that the KB lacks the entity; or not to link, for want of a candidate that is sure enough."""


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
class ScorePart:
    """A summand of a score.

    ``stage`` is ``model`` where it is owed to a channel of the mention, and ``reranker`` where the re-ranker added it; ``name`` is that
    channel, or the re-ranker's group of features. ``kind`` is ``text``, ``lexical`` (the spelling of names) or ``image``; or ``order``,
    for what keeps candidates that are not ranked again behind the others.
    """

    name: str
    kind: str
    value: float
    stage: Literal["model", "reranker"] = "model"


@dataclass(frozen=True, slots=True)
class WordEffect:
    """What a word does for a candidate: ``effect`` is by how much the score falls if the word is left out, below 0 if it rises.

    ``place`` is ``mention`` for a word of the mention, which is left out of its sentence too, and ``context`` for another word of the
    sentence. ``start`` and ``end`` are character offsets into the sentence, None for a word of a mention that does not stand there.
    """

    word: str
    place: Literal["mention", "context"]
    start: int | None
    end: int | None
    effect: float


@dataclass(frozen=True, slots=True)
class PictureEffect:
    """What the parts of a mention's picture do for a candidate.

    The picture is cut into ``rows`` times ``columns`` equal parts; ``effects`` says, row by row from the top left, by how much the score
    falls if that part is painted over.
    """

    rows: int
    columns: int
    effects: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a candidate has its score.

    ``parts`` add up to the score. The gates are means over dimensions, 1 for text alone and 0 for the picture alone, None where the
    model has no gate or there is neither. ``name_match`` says how name or aliases match the mention's words: ``name``, ``alias``,
    ``part``, or None.
    """

    parts: tuple[ScorePart, ...]
    mention_gate: float | None = None
    entity_gate: float | None = None
    name_match: str | None = None
    words: tuple[WordEffect, ...] = ()
    picture: PictureEffect | None = None

    @property
    def by_kind(self) -> dict[str, float]:
        """The parts, added up for each kind that occurs."""
        sums: dict[str, float] = {}
        for part in self.parts:
            sums[part.kind] = sums.get(part.kind, 0.0) + part.value
        return sums


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entity proposed for one mention.

    ``score`` is the similarity of the two unit vectors, -1 to 1, larger is nearer, and where the bundle has a re-ranker what that adds;
    ``probability`` is calibrated on dev, or None where the bundle was not calibrated. ``explanation`` is there where it was asked for.
    """

    entity_id: str
    name: str
    score: float
    probability: float | None = None
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """What the linker says of one mention: its candidates, best first, and the chosen entity or ``NIL``.

    ``probability`` is that of the chosen entity or of NIL. ``unsure`` tells the two reasons for ``NIL`` apart; see ``decision``.
    """

    mention_id: str
    entity_id: str | Literal[NilType.NIL]
    probability: float | None
    candidates: tuple[Candidate, ...] = ()
    warnings: tuple[str, ...] = ()
    unsure: bool = False

    @property
    def is_nil(self) -> bool:
        """Whether the mention is not linked, for either reason."""
        return self.entity_id is NIL

    @property
    def decision(self) -> LinkDecision:
        """``linked``; ``nil``: the KB lacks the entity; or ``unsure``: no candidate is sure enough, which says nothing about the KB."""
        if not self.is_nil:
            return "linked"
        return "unsure" if self.unsure else "nil"
