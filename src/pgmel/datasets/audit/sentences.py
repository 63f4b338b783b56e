"""Sentences that a split has in common with train: exactly, but for case and punctuation, or nearly."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from pgmel.datasets.audit.findings import Found, Hit, Pair
from pgmel.datasets.audit.near import near_sentences
from pgmel.datasets.audit.words import count_words, holds_words, normalise
from pgmel.records import Mention

__all__ = ["MIN_WORDS", "check_sentences"]

MIN_WORDS: Final = 4
"""A shorter text (``Henry in 2011``, a keyword) does not show where it comes from."""


def check_sentences(pair: Pair) -> Found:
    """Find mentions whose sentence is a sentence of train.

    One that is nearly so counts where train's sentence holds the mention's words too, or is about the same entity. Two captions that differ
    in just the mention (``stamp honouring Dix``, ``stamp honouring Clay``) come from one template, not from one place.
    """
    exact = _by_text(pair.train, lambda mention: mention.context)
    folded = _by_text(pair.train, lambda mention: normalise(mention.context))
    own = {mention.context: normalise(mention.context) for mention in pair.mentions}
    near = _find_near(own, folded, pair.show_progress)
    for row, mention in enumerate(pair.mentions):
        text = own[mention.context]
        others = exact.get(mention.context) or folded.get(text)
        if others and count_words(text) < MIN_WORDS:
            yield "short_text", Hit(row, others[0].id, mention.context, text)
        elif others:
            kind = "same_sentence" if mention.context in exact else "folded_sentence"
            yield kind, Hit(row, others[0].id, mention.context, mention.context)
        elif text in near:
            surface = normalise(mention.surface)
            alike = (other for candidate in near[text] for other in folded[candidate] if _same_mention(mention, surface, candidate, other))
            nearest = next(alike, None)
            other = nearest or folded[near[text][0]][0]
            kind = "near_sentence" if nearest else "template"
            yield kind, Hit(row, other.id, f"{mention.context} ~ {other.context}", mention.context)


def _by_text(mentions: Iterable[Mention], key: Callable[[Mention], str]) -> dict[str, list[Mention]]:
    found: defaultdict[str, list[Mention]] = defaultdict(list)
    for mention in mentions:
        if mention.context.strip():
            found[key(mention)].append(mention)
    return dict(found)


def _same_mention(mention: Mention, surface: str, text: str, other: Mention) -> bool:
    return holds_words(text, surface) or (isinstance(mention.entity_id, str) and mention.entity_id == other.entity_id)


def _find_near(own: Mapping[str, str], folded: Mapping[str, object], show_progress: bool) -> dict[str, list[str]]:
    ours = sorted({text for text in own.values() if text not in folded and count_words(text) >= MIN_WORDS})
    theirs = sorted(text for text in folded if count_words(text) >= MIN_WORDS)
    found = near_sentences(ours, theirs, show_progress=show_progress)
    return {ours[row]: [theirs[other] for other, _ in others] for row, others in found.items()}
