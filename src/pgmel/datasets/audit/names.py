"""Ids, file names and texts that name the gold entity."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from pgmel.datasets.audit.findings import Found, Hit, Pair, linked
from pgmel.datasets.audit.words import holds_words, normalise
from pgmel.records import Entity, Mention

__all__ = ["check_names", "check_texts", "tells"]

SHORTEST_NAME = 4
"""Letters that a name must have to be looked for in file names."""


def tells(text: str, gold: str) -> bool:
    """Whether an id or file name gives a gold id away.

    It does if it is the id, or holds it as a word of its own: ``img-Q42`` holds ``Q42``, ``Q421`` does not. A number of fewer than five
    digits is no such word: ``train-7`` says nothing of entity ``7``.
    """
    return text == gold or (not re.fullmatch(r"\d{1,4}", gold) and _contains(text, gold))


def check_names(pair: Pair) -> Found:
    """Find ids and names of files, as published and as pgmel reads them, that hold the gold id, or the gold entity's name."""
    for row, mention, gold in linked(pair.mentions):
        for kind, text in _names(mention, pair):
            if tells(PurePosixPath(text).stem if "picture" in kind else text, gold):
                yield kind, Hit(row, gold, text, text)
        published = pair.published.get(mention.id)
        name, title = (published.picture if published else "") or "", normalise(pair.entities[gold].name)
        base = name.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        if len(title) >= SHORTEST_NAME and holds_words(normalise(unquote(base)), title):
            yield "picture_title", Hit(row, gold, name, name)


def check_texts(pair: Pair) -> Found:
    """Find gold ids in what a model reads: the mention and its sentence.

    Ids of letters and digits (``Q42``) count; a word or a number may stand there for itself, and so may an id that is a name.
    """
    for row, mention, gold in linked(pair.mentions):
        if not (re.search(r"\d", gold) and re.search(r"[^\W\d_]", gold)) or _is_a_name(gold, pair.entities[gold]):
            continue
        for text in (mention.surface, mention.context):
            if _contains(text, gold):
                yield "gold_id_in_text", Hit(row, gold, text, gold)
                break


def _names(mention: Mention, pair: Pair) -> Iterator[tuple[str, str]]:
    published = pair.published.get(mention.id)
    if published is not None and published.record_id is not None:
        yield "published_id", published.record_id
    yield "mention_id", mention.id
    if published is not None and published.picture:
        yield "published_picture", unquote(published.picture)
    if mention.image is not None:
        yield "picture_file", mention.image.name


def _is_a_name(gold: str, entity: Entity) -> bool:
    return normalise(gold) in {normalise(name) for name in (entity.name, *entity.aliases)}


def _contains(text: str, gold: str) -> bool:
    start = text.find(gold)
    while start >= 0:
        before, after = text[start - 1 : start], text[start + len(gold) : start + len(gold) + 1]
        if not before.isalnum() and not after.isalnum():
            return True
        start = text.find(gold, start + 1)
    return False
