"""Turn linked mentions into what the report's template shows of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgmel.evaluation.report_data import LinkExample
from pgmel.evaluation.report_pictures import Thumbnail, Thumbnails
from pgmel.records import NIL, NIL_TEXT, Candidate, Mention, NilType

__all__ = ["VERDICTS", "CandidateView", "CaseView", "EntityView", "Kind", "judge", "view_case"]

_REACH = 180
_LONGEST_SURFACE = 120
_MOST_CANDIDATES = 5
_LONGEST_DESCRIPTION = 320
_LONGEST_NAME = 160
_THUMB = 64
_GLIMPSE = 60

Kind = Literal["right", "right_nil", "wrong_entity", "missed_nil", "false_nil", "open"]

VERDICTS: Mapping[Kind, str] = {
    "right": "Right",
    "right_nil": "Right: none of the KB",
    "wrong_entity": "Wrong entity",
    "missed_nil": "Should be none of the KB",
    "false_nil": "Answered none, the KB has it",
    "open": "Not annotated",
}
"""Kind of answer to what people read."""


@dataclass(frozen=True, slots=True)
class EntityView:
    """An entity, or NIL, as a card; ``role`` says what it is in this case, ``value`` how it was scored."""

    role: str
    name: str
    id: str
    description: str
    picture: Thumbnail
    thumb: Thumbnail
    value: str = ""
    is_nil: bool = False


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A candidate as a bar: ``width`` in percent, ``value`` as text."""

    name: str
    id: str
    width: float
    value: str
    is_gold: bool
    is_chosen: bool
    picture: Thumbnail


@dataclass(frozen=True, slots=True)
class CaseView:
    """A linked mention as a card: ``before``, ``surface`` and ``after`` make the sentence, ``sure`` is the answer's probability.

    ``picture`` is the mention's; ``thumb`` and ``glimpse`` are picture and sentence for a list. The glimpse is empty where the sentence
    is the surface alone.
    """

    kind: Kind
    sure: str
    verdict: str
    before: str
    surface: str
    after: str
    glimpse: str
    picture: Thumbnail
    thumb: Thumbnail
    answers: tuple[EntityView, ...]
    candidates: tuple[CandidateView, ...]
    gold_rank: str
    note: str
    warnings: tuple[str, ...]


def view_case(example: LinkExample, thumbnails: Thumbnails) -> CaseView:
    """Prepare one linked mention for the template."""
    kind = judge(example)
    before, surface, after = _cut_sentence(example.mention)
    candidates = tuple(_view_candidate(candidate, example, thumbnails) for candidate in example.link.candidates[:_MOST_CANDIDATES])
    return CaseView(
        kind=kind,
        sure="" if example.link.probability is None else f"{example.link.probability:.0%}",
        verdict=VERDICTS[kind],
        before=before,
        surface=_shorten(surface, _LONGEST_SURFACE),
        after=after,
        glimpse=_glimpse(before, surface, after),
        picture=thumbnails.make(example.mention.image, 320),
        thumb=thumbnails.make(example.mention.image, _THUMB),
        answers=_answers(example, kind, thumbnails),
        candidates=candidates,
        gold_rank="" if example.gold_rank in (None, 1) else f"{example.gold_rank:,.10g}",
        note=example.note,
        warnings=example.link.warnings,
    )


def judge(example: LinkExample) -> Kind:
    """Return what kind of answer it is, by gold and answer."""
    gold, chosen = example.mention.entity_id, example.link.entity_id
    if gold is None:
        return "open"
    if gold is NIL:
        return "right_nil" if chosen is NIL else "missed_nil"
    if chosen is NIL:
        return "false_nil"
    return "right" if chosen == gold else "wrong_entity"


def _cut_sentence(mention: Mention) -> tuple[str, str, str]:
    """Split the context around the surface, and shorten both sides."""
    context, start, end = mention.context, mention.start, mention.end
    if start is None or end is None or not 0 <= start < end <= len(context):
        found = re.search(re.escape(mention.surface), context, re.IGNORECASE) if mention.surface else None
        if found is None:  # the surface need not stand in the sentence: a caption's title, an emoji's keyword
            return "", mention.surface, f" · {_shorten(context, 2 * _REACH)}" if context else ""
        start, end = found.span()
    before, after = context[:start], context[end:]
    if len(before) > _REACH:
        before = "…" + before[-_REACH:].split(" ", 1)[-1]
    return before, context[start:end], _shorten(after, _REACH)


def _glimpse(before: str, surface: str, after: str) -> str:
    """Return one line of the sentence, with the surface in it."""
    if not before.strip() and not after.strip():
        return ""
    if len(before) > _GLIMPSE:
        before = "…" + before[-_GLIMPSE:].split(" ", 1)[-1]
    return f"{before}{_shorten(surface, _GLIMPSE)}{_shorten(after, 2 * _GLIMPSE - min(len(before), _GLIMPSE))}"


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + "…"


def _answers(example: LinkExample, kind: Kind, thumbnails: Thumbnails) -> tuple[EntityView, ...]:
    gold, chosen = example.mention.entity_id, example.link.entity_id
    role = "Answered" if chosen is NIL else "Linked to"
    if gold is None or kind in ("right", "right_nil"):
        return (_view_entity(role if gold is None else f"{role} (gold)", chosen, example, thumbnails),)
    return _view_entity(role, chosen, example, thumbnails), _view_entity("Gold", gold, example, thumbnails)


def _view_entity(role: str, entity_id: str | NilType, example: LinkExample, thumbnails: Thumbnails) -> EntityView:
    if isinstance(entity_id, NilType):
        sure = example.link.probability if example.link.entity_id is NIL else None
        value = "" if sure is None else f"probability {sure:.0%}"
        return EntityView(role, "none of the KB", NIL_TEXT, "", Thumbnail(), Thumbnail(), value, is_nil=True)
    value = _value_of(entity_id, example)
    entity = example.entities.get(entity_id)
    if entity is None:
        return EntityView(role, entity_id, entity_id, "", Thumbnail(reason="not at hand"), Thumbnail(), value)
    picture, thumb = thumbnails.make_first(entity.images, 240), thumbnails.make_first(entity.images, _THUMB)
    name = _shorten(entity.name, _LONGEST_NAME)
    return EntityView(role, name, entity.id, _shorten(entity.description, _LONGEST_DESCRIPTION), picture, thumb, value)


def _value_of(entity_id: str, example: LinkExample) -> str:
    """Return score and probability of an entity: from the candidates, or for the gold entity from wherever it ranks."""
    found = next((candidate for candidate in example.link.candidates if candidate.entity_id == entity_id), None)
    if found is not None:
        return f"score {found.score:.3f}" + ("" if found.probability is None else f", probability {found.probability:.0%}")
    is_gold = entity_id == example.mention.entity_id
    return f"score {example.gold_score:.3f}" if is_gold and example.gold_score is not None else ""


def _view_candidate(candidate: Candidate, example: LinkExample, thumbnails: Thumbnails) -> CandidateView:
    entity = example.entities.get(candidate.entity_id)
    share = candidate.score if candidate.probability is None else candidate.probability
    return CandidateView(
        name=_shorten(candidate.name, _LONGEST_NAME),
        id=candidate.entity_id,
        width=round(100 * min(max(share, 0.0), 1.0), 1),
        value=f"score {candidate.score:.2f}" if candidate.probability is None else f"{candidate.probability:.0%}",
        is_gold=candidate.entity_id == example.mention.entity_id,
        is_chosen=candidate.entity_id == example.link.entity_id,
        picture=thumbnails.make_first(entity.images if entity else (), _THUMB),
    )
