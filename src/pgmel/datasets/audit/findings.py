"""What an audit can find in a split, and how bad each of it is.

A finding is one of four things:

- ``leak``: a model can see it, and answer from memory or by recognising a file. A mention with a leak is not clean.
- ``exposed``: it stands in the published files or in ids, which no pgmel model reads; a loader that hands it on would give answers away.
- ``flaw``: it makes answers impossible or arbitrary, so results look worse than they are, not better.
- ``fact``: worth knowing when results are read.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from pgmel.datasets.dataset import Published
from pgmel.datasets.picture_files import PictureLook
from pgmel.records import Entity, Mention

__all__ = ["FINDINGS", "SEVERITIES", "Finding", "FindingKind", "Found", "Hit", "Pair", "Severity", "linked"]

Severity = Literal["leak", "exposed", "flaw", "fact"]

SEVERITIES: Mapping[Severity, str] = {
    "leak": "Leaks: a mention with one is not clean",
    "exposed": "Exposed: in ids or files, read by no pgmel model",
    "flaw": "Flaws: no text can tell",
    "fact": "Facts",
}
"""Severity to its heading, worst first."""


class FindingKind(NamedTuple):
    """A kind of finding; ``{train}`` in the title stands for the split that is compared with."""

    severity: Severity
    title: str
    needs_train: bool = True
    needs_pictures: bool = False


FINDINGS: dict[str, FindingKind] = {
    "same_sentence": FindingKind("leak", "sentence of {train}, word for word"),
    "folded_sentence": FindingKind("leak", "sentence of {train} but for case, punctuation"),
    "near_sentence": FindingKind("leak", "nearly a sentence of {train}, same mention"),
    "same_record": FindingKind("leak", "record of {train}: same id, same sentence"),
    "same_row": FindingKind("leak", "row of {train}: text, sentence, picture, gold"),
    "same_annotation": FindingKind("leak", "row of {train} but for the picture"),
    "same_picture": FindingKind("leak", "picture of {train}: same file or address"),
    "copied_picture": FindingKind("leak", "picture of {train}: other file, same bytes", needs_pictures=True),
    "near_picture": FindingKind("leak", "nearly a picture of {train}", needs_pictures=True),
    "gold_picture": FindingKind("leak", "gold entity's picture: same file", needs_train=False),
    "gold_picture_copied": FindingKind("leak", "gold entity's picture: other file, same bytes", needs_train=False, needs_pictures=True),
    "gold_picture_near": FindingKind("leak", "nearly the gold entity's picture", needs_train=False, needs_pictures=True),
    "gold_id_in_text": FindingKind("leak", "gold id stands in the text", needs_train=False),
    "published_id": FindingKind("exposed", "published id holds the gold id", needs_train=False),
    "mention_id": FindingKind("exposed", "id as pgmel reads it holds the gold id", needs_train=False),
    "published_picture": FindingKind("exposed", "published picture name holds the gold id", needs_train=False),
    "picture_file": FindingKind("exposed", "picture file as read holds the gold id", needs_train=False),
    "picture_title": FindingKind("exposed", "published picture name holds the gold name", needs_train=False),
    "duplicate_gold": FindingKind("flaw", "another entity has the gold's name and text", needs_train=False),
    "folded_duplicate_gold": FindingKind("flaw", "another entity differs in case, punctuation", needs_train=False),
    "short_text": FindingKind("fact", "sentence of {train}, of fewer than 4 words"),
    "template": FindingKind("fact", "nearly a sentence of {train}, other mention"),
    "reused_id": FindingKind("fact", "published id of {train}, other sentence"),
    "seen_gold": FindingKind("fact", "gold entity is gold in {train} too"),
    "title": FindingKind("fact", "text equals the gold name", needs_train=False),
}
"""Every kind of finding by name, in the order in which they are shown."""


class Hit(NamedTuple):
    """One mention of which something was found.

    Attributes:
        row: Its position in the audited split.
        other: Id of the mention of train, or of the entity, that it shares something with.
        what: What they share, for a person.
        item: What makes things different when they are counted: the sentence, the record, the picture.
    """

    row: int
    other: str
    what: str
    item: Hashable


Found = Iterator[tuple[str, Hit]]
"""What a check yields: names of kinds, and hits."""


@dataclass(frozen=True)
class Finding:
    """All hits of one kind, at most one for each mention."""

    kind: FindingKind
    hits: tuple[Hit, ...]

    @property
    def items(self) -> int:
        """How many different sentences, records, pictures or entities they are about."""
        return len({hit.item for hit in self.hits})

    def examples(self, count: int) -> list[Hit]:
        """Return the first hits that are about different things."""
        first: dict[Hashable, Hit] = {}
        for hit in self.hits:
            first.setdefault(hit.item, hit)
            if len(first) == count:
                break
        return list(first.values())


@dataclass(frozen=True)
class Pair:
    """What a check looks at: an audited split, and the one it is compared with.

    Attributes:
        train: Mentions of the split compared with; none if there is no such split.
        mentions: Mentions of the audited split.
        entities: The knowledge base by id.
        published: What the published records say of themselves, by mention id.
        looks: Picture files that were opened; None if none were.
        show_progress: Whether to show bars.
    """

    train: Sequence[Mention]
    mentions: Sequence[Mention]
    entities: Mapping[str, Entity]
    published: Mapping[str, Published]
    looks: Mapping[Path, PictureLook] | None = field(default=None, repr=False)
    show_progress: bool = True


def linked(mentions: Sequence[Mention]) -> Iterator[tuple[int, Mention, str]]:
    """Yield position, mention and gold id of those that have a gold entity."""
    for row, mention in enumerate(mentions):
        if isinstance(mention.entity_id, str):
            yield row, mention, mention.entity_id
