"""Turn linked mentions into what the report's template shows of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pgmel.evaluation.report_data import LinkExample
from pgmel.evaluation.report_pictures import Thumbnail, Thumbnails
from pgmel.records import NIL, NIL_TEXT, Candidate, Entity, Mention, NilType

__all__ = ["CandidateView", "CaseView", "EntityView", "view_case"]

_REACH = 180
_MOST_CANDIDATES = 5
_LONGEST_DESCRIPTION = 140

Kind = Literal["right", "right_nil", "wrong_entity", "missed_nil", "false_nil", "open"]

_VERDICTS: Mapping[Kind, str] = {
    "right": "Right",
    "right_nil": "Right: none of the KB",
    "wrong_entity": "Wrong entity",
    "missed_nil": "Should be none of the KB",
    "false_nil": "Answered none, the KB has it",
    "open": "Not annotated",
}


@dataclass(frozen=True, slots=True)
class EntityView:
    """An entity, or NIL, as a card; ``role`` says what it is in this case."""

    role: str
    name: str
    id: str
    description: str
    picture: Thumbnail
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
    """A linked mention as a card: ``before``, ``surface`` and ``after`` make the sentence."""

    kind: Kind
    verdict: str
    before: str
    surface: str
    after: str
    picture: Thumbnail
    answers: tuple[EntityView, ...]
    candidates: tuple[CandidateView, ...]
    gold_rank: str
    note: str
    warnings: tuple[str, ...]


def view_case(example: LinkExample, thumbnails: Thumbnails) -> CaseView:
    """Prepare one linked mention for the template."""
    kind = _kind_of(example)
    before, surface, after = _cut_sentence(example.mention)
    candidates = tuple(_view_candidate(candidate, example, thumbnails) for candidate in example.link.candidates[:_MOST_CANDIDATES])
    return CaseView(
        kind=kind,
        verdict=_VERDICTS[kind],
        before=before,
        surface=surface,
        after=after,
        picture=thumbnails.make(example.mention.image, 320),
        answers=_answers(example, kind, thumbnails),
        candidates=candidates,
        gold_rank="" if example.gold_rank in (None, 1) else f"{example.gold_rank:,.10g}",
        note=example.note,
        warnings=example.link.warnings,
    )


def _kind_of(example: LinkExample) -> Kind:
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


def _shorten(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length].rsplit(" ", 1)[0] + "…"


def _answers(example: LinkExample, kind: Kind, thumbnails: Thumbnails) -> tuple[EntityView, ...]:
    gold, chosen = example.mention.entity_id, example.link.entity_id
    role = "Answered" if chosen is NIL else "Linked to"
    if gold is None or kind in ("right", "right_nil"):
        return (_view_entity(role if gold is None else f"{role} (gold)", chosen, example.entities, thumbnails),)
    return _view_entity(role, chosen, example.entities, thumbnails), _view_entity("Gold", gold, example.entities, thumbnails)


def _view_entity(role: str, entity_id: str | NilType, entities: Mapping[str, Entity], thumbnails: Thumbnails) -> EntityView:
    if isinstance(entity_id, NilType):
        return EntityView(role, "none of the KB", NIL_TEXT, "", Thumbnail(), is_nil=True)
    entity = entities.get(entity_id)
    if entity is None:
        return EntityView(role, entity_id, entity_id, "", Thumbnail(reason="not at hand"))
    picture = thumbnails.make_first(entity.images, 240)
    return EntityView(role, entity.name, entity.id, _shorten(entity.description, _LONGEST_DESCRIPTION), picture)


def _view_candidate(candidate: Candidate, example: LinkExample, thumbnails: Thumbnails) -> CandidateView:
    entity = example.entities.get(candidate.entity_id)
    share = candidate.score if candidate.probability is None else candidate.probability
    return CandidateView(
        name=candidate.name,
        id=candidate.entity_id,
        width=round(100 * min(max(share, 0.0), 1.0), 1),
        value=f"score {candidate.score:.2f}" if candidate.probability is None else f"{candidate.probability:.0%}",
        is_gold=candidate.entity_id == example.mention.entity_id,
        is_chosen=candidate.entity_id == example.link.entity_id,
        picture=thumbnails.make_first(entity.images if entity else (), 64),
    )
