"""The linker: mention in, link out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, final

import numpy as np
import numpy.typing as npt

from pgmel.errors import BundleError, SettingError
from pgmel.features import Features
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking.bundle import INDEX, KB_FILE, MODEL, read_card
from pgmel.linking.decision import Decision
from pgmel.linking.encoders import load_encoders
from pgmel.linking.warnings import mention_warnings
from pgmel.records import NIL, Candidate, Link, Mention

__all__ = ["DEFAULT_BATCH_SIZE", "Linker", "MentionEmbedder", "MentionEncoder"]

DEFAULT_BATCH_SIZE = 64


class MentionEncoder(Protocol):
    """What linking asks of the encoders."""

    def encode_mentions(self, mentions: Sequence[Mention], show_progress: bool = True) -> Features:
        """Encode mentions, one row each."""
        ...


class MentionEmbedder(Protocol):
    """What linking asks of the model."""

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        ...

    def embed_mentions(self, features: Features) -> npt.NDArray[np.float32]:
        """Return (mentions, dim) unit vectors."""
        ...

    def reads(self, features: Features) -> npt.NDArray[np.bool_]:
        """Return True for mentions that have anything that the model reads."""
        ...


@final
class Linker:
    """Links mentions to the entities of a KB, or to ``NIL``.

    Args:
        kb: The entities.
        index: Their vectors, in the KB's rows.
        embedder: The model.
        encoders: Turns mentions into the model's features.
        decision: Turns scores into probabilities and links; None links every mention to its best candidate, without probabilities.
        nil: Whether to answer NIL where no candidate is likely enough; a mention without any candidate is NIL in any case.
        card: The bundle's card.

    Raises:
        IndexFileError: If index, KB and model do not fit together.
    """

    def __init__(
        self,
        kb: KnowledgeBase,
        index: EntityIndex,
        embedder: MentionEmbedder,
        encoders: MentionEncoder,
        decision: Decision | None = None,
        nil: bool = True,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        index.check_fits(kb.num_rows, embedder.dim, kb.fingerprint)
        self.kb = kb
        self.index = index
        self.decision = decision
        self.nil = nil
        self.card: Mapping[str, Any] = card or {}
        self._embedder = embedder
        self._encoders = encoders

    @classmethod
    def load(
        cls,
        folder: Path,
        device: str = "cpu",
        *,
        text_encoder: str | None = None,
        image_encoder: str | None = None,
        encoders: MentionEncoder | None = None,
    ) -> Self:
        """Open a bundle.

        Args:
            folder: The bundle.
            device: Where encoders and model run.
            text_encoder: Where the text encoder is now, if it moved since the bundle was written.
            image_encoder: Where the image encoder is now, if it moved since the bundle was written.
            encoders: Used instead of those that the bundle names, without a check that they are the same.

        Raises:
            BundleError: If the folder is missing, damaged, or of another version.
            KnowledgeBaseError: If its KB is missing or damaged.
            IndexFileError: If its index is missing or damaged, or does not fit the KB or the model.
            EncoderError: If an encoder that it names cannot be had, or is another one than it was made with.
        """
        from pgmel.models import Embedder

        folder = Path(folder)
        card = read_card(folder)
        try:
            decision = None if card["decision"] is None else Decision.from_dict(card["decision"])
        except SettingError as error:
            raise BundleError(f"the bundle {folder} is damaged: {error}; copy or build it again") from None
        index = EntityIndex.load(folder / INDEX)
        embedder = Embedder.load(folder / MODEL, device)
        if encoders is None:
            encoders = load_encoders(card, folder, device, text_encoder, image_encoder)
        nil = bool(card["settings"].get("linking", {}).get("nil", True))
        kb = KnowledgeBase.open(folder / KB_FILE)
        try:
            return cls(kb, index, embedder, encoders, decision, nil, card)
        except BaseException:
            kb.close()
            raise

    def link(self, mentions: Sequence[Mention], top_k: int = 10) -> list[Link]:
        """Link mentions.

        Args:
            mentions: What to link; gold ids and candidate lists in them are not looked at.
            top_k: Candidates returned for each.

        Returns:
            One link for each mention, in their order. A picture that cannot be used is no error: the mention is linked by its text, and
            the link says so in ``warnings``.
        """
        return list(self.stream(mentions, top_k))

    def stream(self, mentions: Iterable[Mention], top_k: int = 10, batch_size: int = DEFAULT_BATCH_SIZE) -> Iterator[Link]:
        """Link mentions as they come, holding one batch of them in memory.

        Args:
            mentions: Read one batch ahead of the links.
            top_k: Candidates returned for each.
            batch_size: Mentions encoded and searched at once.

        Returns:
            One link for each mention, in their order.
        """
        if top_k < 1 or batch_size < 1:
            raise SettingError(f"top_k and batch_size must be at least 1, got {top_k} and {batch_size}")
        return self._stream(iter(mentions), top_k, batch_size)

    def close(self) -> None:
        """Close the KB's file."""
        self.kb.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _stream(self, mentions: Iterator[Mention], top_k: int, batch_size: int) -> Iterator[Link]:
        while batch := list(islice(mentions, batch_size)):
            yield from self._link_batch(batch, top_k)

    def _link_batch(self, mentions: Sequence[Mention], top_k: int) -> list[Link]:
        features = self._encoders.encode_mentions(mentions, show_progress=False)
        searched = top_k if self.decision is None else max(top_k, self.decision.num_candidates)
        scores, rows = self.index.search(self._embedder.embed_mentions(features), searched)
        usable = self._embedder.reads(features)
        rows[~usable] = -1  # nothing that the model reads: every entity is equally near
        scores[~usable] = -np.inf
        linked = rows[:, 0] >= 0
        probabilities: list[Any] = [[None] * top_k] * len(mentions)
        nil_probabilities: list[Any] = [None] * len(mentions)
        if self.decision is not None:
            likely, nil_likely = self.decision.probabilities(scores)
            probabilities, nil_probabilities = likely[:, :top_k].tolist(), nil_likely.tolist()
            if self.nil:
                linked &= self.decision.links(likely[:, 0])
        candidates = self._candidates(rows[:, :top_k], scores[:, :top_k], probabilities)
        warnings = mention_warnings(mentions, features, usable)
        return [
            Link(mention.id, found[0].entity_id, found[0].probability, tuple(found), said)
            if is_linked
            else Link(mention.id, NIL, nil_probability, tuple(found), said)
            for mention, found, is_linked, nil_probability, said in zip(
                mentions, candidates, linked.tolist(), nil_probabilities, warnings, strict=True
            )
        ]

    def _candidates(
        self, rows: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], probabilities: list[list[float | None]]
    ) -> list[list[Candidate]]:
        wanted = rows[rows >= 0]
        found = iter(zip(self.kb.ids_of(wanted), self.kb.names_of(wanted), strict=True))
        return [
            [
                Candidate(*next(found), score=score, probability=probability)
                for row, score, probability in zip(row_list, score_list, probability_list, strict=False)
                if row >= 0
            ]
            for row_list, score_list, probability_list in zip(rows.tolist(), scores.tolist(), probabilities, strict=True)
        ]
