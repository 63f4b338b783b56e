"""Say why candidates have their scores: what each channel, each word and each part of the picture is good for."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol, final, runtime_checkable

import numpy as np
import numpy.typing as npt

from pgmel.errors import SettingError
from pgmel.features import Features
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking.name_matching import name_match
from pgmel.linking.occlusion import Word, find_words, leave_out, paint_over
from pgmel.linking.reranking import EntityFacts, MentionFacts, Reranker
from pgmel.models import IMAGE_CHANNELS, ChannelShares, Embedder, attribute_channels, mean_gates
from pgmel.pictures import PictureFault, open_picture
from pgmel.records import Entity, Explanation, Link, Mention, PictureEffect, ScorePart, WordEffect

__all__ = ["MAX_WORDS", "Explainer", "RecordEncoder"]

MAX_WORDS: Final = 64
"""Words of a sentence that are tried, from its beginning; about as many as a text encoder reads."""

MAX_GATES: Final = 10
"""Candidates whose own gate is told: for that they have to be encoded again."""

GRID: Final = 3
"""Rows and columns that a picture is cut into."""


_GROUP_KINDS: Final = {"name match": "lexical"}


@runtime_checkable
class RecordEncoder(Protocol):
    """What explaining asks of the encoders."""

    def encode_mentions(self, mentions: Sequence[Mention], show_progress: bool = True) -> Features:
        """Encode mentions, one row each."""
        ...

    def encode_entities(self, entities: Iterable[Entity], show_progress: bool = True) -> Features:
        """Encode entities, one row each."""
        ...


@final
class Explainer:
    """Explains candidates.

    The similarity of a candidate is shared out over the mention's channels by their Shapley values, which is exact and encodes nothing;
    what a re-ranker adds to it is a sum already. For the words, the mention is encoded anew without each of them; for the picture, with
    each of its nine parts painted over; for the gates of the candidates, the first ten of them are encoded anew, where the model has gates.

    Args:
        kb: The entities.
        index: Their vectors.
        embedder: The model; of pgmel's own kind, since its inside is looked at.
        encoders: The encoders.
        reranker: What the candidates were ranked again by, if they were.

    Raises:
        SettingError: If model or encoders are of a kind that cannot be looked into.
    """

    def __init__(self, kb: KnowledgeBase, index: EntityIndex, embedder: object, encoders: object, reranker: Reranker | None = None) -> None:
        if not isinstance(embedder, Embedder) or not isinstance(encoders, RecordEncoder):
            raise SettingError("links can be explained where model and encoders are those of a bundle; these are others: leave explain out")
        self._kb = kb
        self._index = index
        self._embedder = embedder
        self._encoders = encoders
        self._reranker = reranker

    def explain(self, mentions: Sequence[Mention], features: Features, links: Sequence[Link], reranked: Sequence[int]) -> list[Link]:
        """Return the links with an explanation for each candidate.

        Args:
            mentions: The mentions.
            features: Their features.
            links: Their links.
            reranked: How many candidates of each, the first ones, were ranked again.
        """
        found = enumerate(zip(mentions, links, reranked, strict=True))
        return [self._explain(mention, features.take([row]), link, count) for row, (mention, link, count) in found]

    def _explain(self, mention: Mention, features: Features, link: Link, reranked: int) -> Link:
        if not link.candidates:
            return link
        rows = self._kb.rows_of([candidate.entity_id for candidate in link.candidates])
        entities = self._kb.get_many(rows)
        vectors = np.asarray(self._index.vectors[rows], np.float32)
        shares = attribute_channels(self._embedder, features, vectors)
        mention_gates = mean_gates(self._embedder, features, "mention")
        gates = [None] * len(entities) if mention_gates is None else self._entity_gates(entities)
        facts = [] if self._reranker is None else [EntityFacts.of(entity) for entity in entities[:reranked]]
        words = self._words(mention, features, vectors, facts)
        pictures = self._picture(mention, features, vectors)
        explained = []
        for place, (candidate, entity) in enumerate(zip(link.candidates, entities, strict=True)):
            explanation = Explanation(
                parts=_parts(shares, place) + self._reranked(mention, facts, place, candidate.score - float(shares.scores[place])),
                mention_gate=None if mention_gates is None else _finite(mention_gates[0]),
                entity_gate=gates[place],
                name_match=name_match(mention.surface, entity.name, entity.aliases),
                words=tuple(WordEffect(word.text, word.place, word.start, word.end, float(effects[place])) for word, effects in words),
                picture=None if pictures is None else PictureEffect(GRID, GRID, tuple(pictures[:, place].tolist())),
            )
            explained.append(replace(candidate, explanation=explanation))
        return replace(link, candidates=tuple(explained))

    def _entity_gates(self, entities: Sequence[Entity]) -> list[float | None]:
        features = self._encoders.encode_entities(entities[:MAX_GATES], show_progress=False)
        means = mean_gates(self._embedder, features, "entity")
        gates: list[float | None] = [None] * len(entities)
        for row, entity in enumerate(entities[:MAX_GATES]):
            # An entity whose pictures are no longer there would be taken for one that never had any.
            if means is not None and (not entity.images or features.present["image"][row]):
                gates[row] = _finite(means[row])
        return gates

    def _reranked(self, mention: Mention, facts: Sequence[EntityFacts], place: int, difference: float) -> tuple[ScorePart, ...]:
        """Return what the re-ranker added to a candidate's similarity."""
        if self._reranker is None:
            return ()
        if place >= len(facts):  # moved down together with the others that are not ranked again
            return (ScorePart("not ranked again", "order", difference, "reranker"),)
        added = self._reranker.parts(MentionFacts.of(mention), facts[place])
        return tuple(ScorePart(group, _GROUP_KINDS.get(group, "text"), value, "reranker") for group, value in added.items())

    def _words(
        self, mention: Mention, features: Features, vectors: npt.NDArray[np.float32], facts: Sequence[EntityFacts]
    ) -> list[tuple[Word, npt.NDArray[np.float64]]]:
        """Return each word with its effect on each candidate."""
        words = find_words(mention, MAX_WORDS)
        reads_words = self._embedder.projection.text_maps or self._reranker is not None
        if not words or not reads_words:
            return []
        # The whole mention goes along: encoders round a little differently in every batch.
        changed = [replace(mention, image=None), *(leave_out(mention, word) for word in words)]
        encoded = self._encoders.encode_mentions(changed, show_progress=False)
        effects = self._falls(_replace_channels(features, encoded, pictures=False), vectors)
        if self._reranker is not None:
            added = np.stack([self._reranker.bonuses(MentionFacts.of(one), facts) for one in changed]).astype(np.float64)
            effects[:, : len(facts)] += added[0] - added[1:]
        return list(zip(words, effects, strict=True))

    def _picture(self, mention: Mention, features: Features, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64] | None:
        """Return the effect of each part of the picture on each candidate; None where no picture is read."""
        if mention.image is None or not features.present.get("image", np.zeros(1, bool))[0]:
            return None
        with tempfile.TemporaryDirectory(prefix="pgmel-explain-") as folder:
            try:
                paths = paint_over(open_picture(mention.image), GRID, GRID, Path(folder))
            except PictureFault:  # it was there when the mention was encoded
                return None
            changed = [Mention(mention.id, "", image=path) for path in paths]
            encoded = self._encoders.encode_mentions(changed, show_progress=False)
        return self._falls(_replace_channels(features, encoded, pictures=True), vectors)

    def _falls(self, features: Features, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return by how much the scores of all rows but the first are below the first row's: (rows - 1, candidates)."""
        scores = self._embedder.embed_mentions(features).astype(np.float64) @ vectors.astype(np.float64).T
        falls: npt.NDArray[np.float64] = scores[0] - scores[1:]
        return falls


def _replace_channels(features: Features, changed: Features, pictures: bool) -> Features:
    """Return one row's features for every changed row, with the pictures' channels taken from there, or else the other channels."""
    same = features.take(np.zeros(len(changed), np.int64))
    sources = {name: changed if (name in IMAGE_CHANNELS) == pictures else same for name in changed.channels}
    return Features(
        changed.ids,
        {name: source.channels[name] for name, source in sources.items()},
        {name: source.present[name] for name, source in sources.items()},
    )


def _parts(shares: ChannelShares, place: int) -> tuple[ScorePart, ...]:
    return tuple(ScorePart(name, _kind(name), float(value)) for name, value in zip(shares.channels, shares.shares[:, place], strict=True))


def _kind(channel: str) -> str:
    if channel in IMAGE_CHANNELS:
        return "image"
    return "lexical" if channel == "lexical" else "text"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
