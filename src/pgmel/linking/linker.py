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
from pgmel.linking.bundle import INDEX, KB_FILE, MODEL, load_reranker, read_card
from pgmel.linking.decision import Decision
from pgmel.linking.encoders import load_encoders
from pgmel.linking.explaining import Explainer
from pgmel.linking.hub import find_pretrained, push_to_hub
from pgmel.linking.proposing import CandidateSearch, open_search
from pgmel.linking.publishing import PublishOptions, save_pretrained
from pgmel.linking.reranking import MentionFacts, Reranker, Rescorer
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
        candidates: Finds candidates in the same index; by default by vectors alone.
        reranker: Ranks the nearest of them again; None leaves them in the order of their vectors.

    Raises:
        IndexFileError: If indexes, KB and model do not fit together.
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
        candidates: CandidateSearch | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        index.check_fits(kb.num_rows, embedder.dim, kb.fingerprint)
        self.candidates = CandidateSearch(index) if candidates is None else candidates
        if self.candidates.names is not None:
            self.candidates.names.check_fits(kb.fingerprint)
        self.kb = kb
        self.index = index
        self.decision = self._stated = decision
        self.nil = nil
        self.card: Mapping[str, Any] = card or {}
        self.reranker = reranker
        self._rescorer = None if reranker is None else Rescorer(reranker, kb.get_many)
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
        candidates = open_search(card, folder, index)
        embedder = Embedder.load(folder / MODEL, device)
        if encoders is None:
            encoders = load_encoders(card, folder, device, text_encoder, image_encoder)
        nil = bool(card["settings"].get("linking", {}).get("nil", True))
        kb = KnowledgeBase.open(folder / KB_FILE)
        try:
            return cls(kb, index, embedder, encoders, decision, nil, card, candidates, load_reranker(card, folder))
        except BaseException:
            kb.close()
            raise

    def link(self, mentions: Sequence[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
        """Link mentions.

        Args:
            mentions: What to link; gold ids and candidate lists in them are not looked at.
            top_k: Candidates returned for each.
            explain: Whether to say why each candidate has its score. Every word of the sentence costs one more encoding, a picture ten.

        Returns:
            One link for each mention, in their order. A picture that cannot be used is no error: the mention is linked by its text, and
            the link says so in ``warnings``.

        Raises:
            SettingError: If links are to be explained and the model or the encoders are not those of a bundle.
        """
        return list(self.stream(mentions, top_k, explain=explain))

    def stream(
        self, mentions: Iterable[Mention], top_k: int = 10, batch_size: int = DEFAULT_BATCH_SIZE, explain: bool = False
    ) -> Iterator[Link]:
        """Link mentions as they come, holding one batch of them in memory.

        Args:
            mentions: Read one batch ahead of the links.
            top_k: Candidates returned for each.
            batch_size: Mentions encoded and searched at once.
            explain: Whether to say why each candidate has its score; see ``link``.

        Returns:
            One link for each mention, in their order.
        """
        if top_k < 1 or batch_size < 1:
            raise SettingError(f"top_k and batch_size must be at least 1, got {top_k} and {batch_size}")
        explainer = Explainer(self.kb, self.index, self._embedder, self._encoders, self.reranker) if explain else None
        return self._stream(iter(mentions), top_k, batch_size, explainer)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str = "cpu",
        *,
        revision: str | None = None,
        token: str | None = None,
        cache_dir: Path | None = None,
        text_encoder: str | None = None,
        image_encoder: str | None = None,
    ) -> Self:
        """Open a bundle by its folder, or by its name on the Hugging Face hub, from where it is downloaded once and checked.

        Arguments and errors are those of ``pgmel.linking.find_pretrained`` and of ``load``; an encoder that the bundle was published
        without is named with ``text_encoder`` or ``image_encoder``.
        """
        folder = find_pretrained(name, revision=revision, token=token, cache_dir=cache_dir)
        return cls.load(folder, device, text_encoder=text_encoder, image_encoder=image_encoder)

    def save_pretrained(self, folder: Path, options: PublishOptions | None = None) -> None:
        """Write this bundle as it can be given to others; arguments and errors are those of ``pgmel.linking.save_pretrained``."""
        save_pretrained(self._bundle(), Path(folder), options)

    def push_to_hub(
        self, repo: str, options: PublishOptions | None = None, *, private: bool | None = None, token: str | None = None
    ) -> str:
        """Publish this bundle; arguments, result and errors are those of ``pgmel.linking.push_to_hub``."""
        return push_to_hub(self._bundle(), repo, options, private=private, token=token)

    def _bundle(self) -> Path:
        if not self.card:
            raise BundleError("this linker was put together from parts; only one that was loaded from a bundle can be published")
        return self.kb.path.parents[1]

    def require_probability(self, least: float) -> None:
        """Link from now on wherever the best candidate has this probability, and answer NIL elsewhere.

        This takes the place of the bundle's thresholds, and of ``nil``. Whether a mention that is not linked is ``nil`` or ``unsure`` is
        still told by the bundle's threshold of NIL.

        Args:
            least: 0 to 1.

        Raises:
            SettingError: If it is out of its range, or there are no probabilities because the bundle was not calibrated.
        """
        if self.decision is None:
            raise SettingError(
                "the bundle was not calibrated, so there is no probability to go by; run `pgmel calibrate` first, or leave the limit out"
            )
        self.decision = self.decision.with_min_probability(least)
        self.nil = True

    def close(self) -> None:
        """Close the KB's file."""
        self.kb.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _stream(self, mentions: Iterator[Mention], top_k: int, batch_size: int, explainer: Explainer | None) -> Iterator[Link]:
        while batch := list(islice(mentions, batch_size)):
            features = self._encoders.encode_mentions(batch, show_progress=False)
            links, reranked = self._link_batch(batch, features, top_k)
            yield from links if explainer is None else explainer.explain(batch, features, links, reranked)

    def _link_batch(self, mentions: Sequence[Mention], features: Features, top_k: int) -> tuple[list[Link], list[int]]:
        """Return the links, and how many candidates of each, the first ones, were ranked again."""
        searched = max(top_k, self.decision.num_candidates if self.decision else 0, self.reranker.depth if self.reranker else 0)
        usable = self._embedder.reads(features)
        vectors, named = self._embedder.embed_mentions(features), self.reranker.by_name if self.reranker else 0
        found = self.candidates.propose(vectors, [mention.surface for mention in mentions], sure=searched, named=named)
        rows, scores = found.rows, found.dense
        rows[~usable] = -1  # nothing that the model reads: every entity is equally near
        scores[~usable] = -np.inf
        similarities, counts = None, np.zeros(len(mentions), np.int64)
        if self._rescorer is not None:
            scores, rows, similarities, counts = self._rescorer.reorder([MentionFacts.of(mention) for mention in mentions], found)
        linked = rows[:, 0] >= 0
        probabilities: list[Any] = [[None] * top_k] * len(mentions)
        nil_probabilities: list[Any] = [None] * len(mentions)
        lacking = usable & ~linked  # what cannot be read says nothing about the KB
        if self.decision is not None and self._stated is not None:
            likely, nil_likely = self.decision.probabilities(scores, similarities)
            probabilities, nil_probabilities = likely[:, :top_k].tolist(), nil_likely.tolist()
            if self.nil:
                linked &= self.decision.links(likely[:, 0], nil_likely)
                lacking |= usable & self._stated.says_nil(nil_likely)
        candidates = self._candidates(rows[:, :top_k], scores[:, :top_k], probabilities)
        warnings = mention_warnings(mentions, features, usable)
        links = [
            Link(mention.id, found[0].entity_id, found[0].probability, tuple(found), said)
            if is_linked
            else Link(mention.id, NIL, nil_probability, tuple(found), said, unsure=not is_lacking)
            for mention, found, is_linked, is_lacking, nil_probability, said in zip(
                mentions, candidates, linked.tolist(), lacking.tolist(), nil_probabilities, warnings, strict=True
            )
        ]
        return links, counts.tolist()

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
