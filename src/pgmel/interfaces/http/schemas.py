"""What requests and answers look like; the OpenAPI description is made of these."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pgmel.records import LinkDecision

__all__ = [
    "BatchAnswer",
    "BatchRequest",
    "CandidateAnswer",
    "DecidesAnswer",
    "EntityAnswer",
    "ExplanationAnswer",
    "GatesAnswer",
    "HealthAnswer",
    "LinkAnswer",
    "LinkRequest",
    "MentionRequest",
    "PictureAnswer",
    "PrecisionAnswer",
    "ProblemAnswer",
    "ScorePartAnswer",
    "SearchAnswer",
    "SearchHit",
    "WordAnswer",
]

TopK = Annotated[int, Field(ge=1, description="Candidates wanted for each mention.")]
Details = Annotated[bool, Field(description="Whether candidates carry description, picture and how their name matches.")]
Explain = Annotated[
    bool, Field(description="Whether candidates carry an `explanation` of their score; takes several times as long, with a picture more.")
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class MentionRequest(_Request):
    """A mention: words, and if known their text, place and picture."""

    mention: str = Field("", description="The words to link; may be left out where `start` and `end` mark them, or with a picture.")
    context: str = Field("", description="The text around them.")
    start: int | None = Field(None, ge=0, description="Where they begin in `context`, in characters (Unicode code points).")
    end: int | None = Field(None, ge=0, description="Where they end.")
    id: str | None = Field(None, max_length=256, description="Given back in the answer.")
    image_base64: str | None = Field(None, description="A picture file in base64. A path or address is not read.")

    @model_validator(mode="after")
    def _check_place(self) -> "MentionRequest":
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end go together")
        if self.start is not None and self.end is not None and not self.start < self.end <= len(self.context):
            raise ValueError("start must be below end, and end at most the length of context")
        return self

    @property
    def words(self) -> str:
        """The words to link."""
        return self.mention or (self.context[self.start : self.end] if self.start is not None else "")


class LinkRequest(MentionRequest):
    """One mention to link."""

    top_k: TopK = 10
    details: Details = False
    explain: Explain = False


class BatchRequest(_Request):
    """Mentions to link; the answer has one link for each, in their order."""

    mentions: list[MentionRequest] = Field(min_length=1)
    top_k: TopK = 10
    details: Details = False
    explain: Explain = False


class ScorePartAnswer(_Answer):
    """A summand of a score."""

    name: str = Field(description="The channel that it is owed to, or the re-ranker's group of features.")
    kind: str = Field(description="`text`, `lexical` (spelling of names) or `image`; or `order`, for candidates not ranked again.")
    stage: str = Field(description="`model`, or `reranker`.")
    value: float


class GatesAnswer(_Answer):
    """Mean gates: 1 for text alone, 0 for the picture alone; null where there is none."""

    mention: float | None
    entity: float | None


class WordAnswer(_Answer):
    """A word, and by how much the score falls if it is left out."""

    word: str
    place: str = Field(description="`mention`, or `context` for another word of the text.")
    start: int | None = Field(description="Where it begins in `context`, in characters; null for a mention that is not in it.")
    end: int | None
    effect: float


class PictureAnswer(_Answer):
    """The picture sent, in equal parts."""

    rows: int
    columns: int
    effects: list[float] = Field(description="By how much the score falls if a part is painted over; row by row from the top left.")


class ExplanationAnswer(_Answer):
    """Why a candidate has its score."""

    kinds: dict[str, float] = Field(description="The parts, added up by kind.")
    parts: list[ScorePartAnswer] = Field(description="They add up to the score.")
    gates: GatesAnswer
    name_match: str | None = Field(description="How name or aliases match the words: `name`, `alias`, `part`, or null.")
    words: list[WordAnswer]
    picture: PictureAnswer | None


class CandidateAnswer(_Answer):
    """A candidate; the last three only with `details`, the explanation only with `explain`."""

    entity_id: str
    name: str
    score: float = Field(description="Similarity, -1 to 1, and where the bundle has a re-ranker what that adds.")
    probability: float | None = Field(description="Calibrated, 0 to 1; null where the bundle was not calibrated.")
    explanation: ExplanationAnswer | None = None
    description: str | None = None
    picture: str | None = Field(None, description="Address of its picture, or null.")
    name_match: str | None = Field(None, description="How name or aliases match the words: `name`, `alias`, `part`, or null.")


class LinkAnswer(_Answer):
    """A link; the same values as a line of `pgmel link`."""

    id: str
    mention: str
    entity_id: str = Field(description="The entity meant, or `NIL` where the mention is not linked.")
    decision: LinkDecision = Field(
        description="`linked`; `nil`: the knowledge base lacks the entity; `unsure`: not linked, since no candidate is sure enough."
    )
    name: str | None
    probability: float | None = Field(description="Of the entity, or of NIL.")
    candidates: list[CandidateAnswer]
    warnings: list[str]


class BatchAnswer(_Answer):
    """Links, in the order of the mentions."""

    links: list[LinkAnswer]


class EntityAnswer(_Answer):
    """An entity of the knowledge base."""

    id: str
    name: str
    aliases: list[str]
    description: str
    attributes: dict[str, str]
    picture: str | None = Field(description="Address of its picture, or null.")


class SearchHit(_Answer):
    """An entity whose name fits."""

    entity_id: str
    name: str
    match: str = Field(description="How: `exact`, `prefix`, `word` (a later word begins so), `part` or `similar`.")


class SearchAnswer(_Answer):
    """Entities by name, best first."""

    entities: list[SearchHit]


class PrecisionAnswer(_Answer):
    """A precision that was asked for, and what was reached in calibration."""

    target: float | None = Field(description="Share of right answers asked for; null: none was.")
    in_reach: bool | None = Field(description="Whether a threshold promises it; null: nothing was asked for.")
    attainable: float | None = Field(description="The highest share that a threshold would promise; null: not looked for.")
    reached: float | None = Field(description="Share of right answers, on mentions that the threshold did not see; null: no answers.")
    low: float | None = Field(description="Lower end of its 95 % interval.")
    high: float | None
    num_answers: int = Field(description="Answers that it is the share of.")


class DecidesAnswer(_Answer):
    """What the bundle can decide, and how often it was right."""

    linked: bool = Field(description="Whether it links at all: not where no threshold reaches the precision of links asked for.")
    nil: bool = Field(description="Whether it ever says that the knowledge base lacks an entity.")
    unsure: bool = Field(description="Whether it leaves mentions unlinked because no candidate is sure enough.")
    nil_threshold: float | None = Field(description="Probability of NIL from which on the answer is `nil`; null: never.")
    nil_precision: PrecisionAnswer | None = Field(description="Of the decision `nil`; null where it was not measured.")
    link_precision: PrecisionAnswer | None = Field(description="Of the decision `linked`; null where it was not measured.")


class HealthAnswer(_Answer):
    """That the server is up, and what it serves."""

    status: str
    version: str
    entities: int
    calibrated: bool
    threshold: float | None = Field(
        description="Probability from which on the best candidate is linked, unless NIL is likely enough; null: any, "
        "or none where `decides.linked` is false."
    )
    decides: DecidesAnswer
    reads_pictures: bool
    token_needed: bool
    limits: dict[str, Any]


class ProblemAnswer(_Answer):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    message: str
    fix: str
    request_id: str
