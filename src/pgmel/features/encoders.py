"""From mentions and entities to feature matrices."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Generic, Literal, Self, TypeVar, final

import numpy as np
from scipy import sparse

from pgmel.features.cache import VectorCache, default_cache_dir
from pgmel.features.fingerprints import FileDigests
from pgmel.features.image_channel import ImageChannel
from pgmel.features.lexical import LexicalHasher
from pgmel.features.loading import EncoderLoader
from pgmel.features.protocols import ImageEncoder, TextEncoder
from pgmel.features.rows import ChannelReport, FeatureReport, Features, PictureProblem
from pgmel.features.text_channel import TextChannel
from pgmel.features.texts import entity_context, entity_lexical, entity_name, mention_context, mention_name
from pgmel.records import Entity, Mention

__all__ = ["CHUNK", "MAX_ENTITY_PICTURES", "Encoders"]

logger = logging.getLogger("pgmel.features")

CHUNK: Final = 65_536
"""Records encoded before the next ones are read, so that a KB of millions need not be in memory as objects."""

MAX_ENTITY_PICTURES: Final = 4
"""An entity's image is the mean of at most so many of its pictures, the first ones that it lists."""

Record = TypeVar("Record", Mention, Entity)


@final
@dataclass(frozen=True)
class _Side(Generic[Record]):
    """How the records of one side are read: its title, the texts of its channels, and its pictures."""

    title: str
    texts: Mapping[str, Callable[[Record], str]]
    lexical: Callable[[Record], str]
    pictures: Callable[[Record], tuple[Path, ...]]


_MENTIONS: Final = _Side[Mention](
    "mentions", {"name": mention_name, "context": mention_context}, mention_name, lambda mention: (mention.image,) if mention.image else ()
)
_ENTITIES: Final = _Side[Entity](
    "entities", {"name": entity_name, "context": entity_context}, entity_lexical, lambda entity: tuple(entity.images[:MAX_ENTITY_PICTURES])
)


@final
class Encoders:
    """The encoders of a run, with their cache.

    Args:
        text: Text encoder, or None.
        image: Image encoder, or None.
        lexical_dim: Buckets of the lexical channel.
        batch_size: Rows encoded at once.
        cache_dir: Folder of cached vectors; None keeps none.
    """

    def __init__(
        self,
        text: TextEncoder | None,
        image: ImageEncoder | None,
        *,
        lexical_dim: int = 4096,
        batch_size: int = 64,
        cache_dir: Path | None = None,
    ) -> None:
        self._lexical = LexicalHasher(lexical_dim)
        self._text = None if text is None else TextChannel(text, VectorCache(cache_dir, text.identity), batch_size)
        self._image = (
            None if image is None else ImageChannel(image, VectorCache(cache_dir, image.identity), FileDigests(cache_dir), batch_size)
        )

    @classmethod
    def load(
        cls,
        *,
        text_encoder: str = "minilm",
        image_encoder: str = "none",
        revision: str | None = None,
        pooling: Literal["auto", "mean", "cls"] = "auto",
        max_tokens: int = 96,
        lexical_dim: int = 4096,
        batch_size: int = 64,
        cache_dir: Path | None = None,
        device: str = "cpu",
        use_cache: bool = True,
    ) -> Self:
        """Find the encoders of the given names; their weights are loaded when the first row needs them, not now.

        Args:
            text_encoder: ``minilm``, ``none``, a folder or a hub name.
            image_encoder: ``none``, ``descriptor``, a folder or a hub name; where both name the same CLIP or SigLIP model, the two share
                one space and one copy of the weights.
            revision: Branch, tag or commit of hub models.
            pooling: How token vectors become one; ``auto`` follows the model's folder, else mean.
            max_tokens: Texts are cut after so many tokens; the model's own limit holds too.
            lexical_dim: Buckets of the lexical channel.
            batch_size: Rows encoded at once.
            cache_dir: Folder of cached vectors; None takes ``$PGMEL_CACHE``, else the user's cache folder.
            device: ``cpu``, ``cuda``, ``auto``...
            use_cache: Whether vectors are kept on disk at all.

        Raises:
            EncoderError: If a name is neither a folder with a model nor a hub model that can be reached.
            MissingExtraError: If an encoder's package is not installed.
        """
        folder = (cache_dir or default_cache_dir()) if use_cache else None
        loader = EncoderLoader(revision, pooling, max_tokens, device, FileDigests(folder))
        text, image = loader.text(text_encoder), loader.image(image_encoder)
        return cls(text, image, lexical_dim=lexical_dim, batch_size=batch_size, cache_dir=folder)

    def encode_mentions(self, mentions: Iterable[Mention], show_progress: bool = True) -> Features:
        """Encode mentions: surface, surface with sentence, character n-grams of the surface, picture.

        Raises:
            EncoderError: If a model cannot be loaded. Pictures that cannot be used are masked and reported, not raised.
        """
        return self._encode(mentions, _MENTIONS, show_progress)

    def encode_entities(self, entities: Iterable[Entity], show_progress: bool = True) -> Features:
        """Encode entities: name, name with description, character n-grams of name and aliases, mean of the first pictures.

        Raises:
            EncoderError: If a model cannot be loaded. Pictures that cannot be used are masked and reported, not raised.
        """
        return self._encode(entities, _ENTITIES, show_progress)

    def describe(self) -> dict[str, Any]:
        """Return what the features depend on, as JSON-like values: names, revisions, lengths and fingerprints."""
        return {
            "text": _describe(self._text),
            "image": _describe(self._image),
            "lexical": {"dim": self._lexical.dim, "identity": self._lexical.identity},
        }

    def differences(self, description: Mapping[str, Any]) -> list[str]:
        """Say in which channels these encoders differ from a description made before; vectors of such channels do not go together."""
        own = self.describe()
        return [
            f"{channel}: described as {_brief(description.get(channel))}, loaded is {_brief(own[channel])}"
            for channel in own
            if _identity(description.get(channel)) != _identity(own[channel])
        ]

    def _encode(self, records: Iterable[Record], side: _Side[Record], show_progress: bool) -> Features:
        features = Features.join(self._encode_chunk(chunk, side, show_progress) for chunk in _chunks(records))
        for line in features.report.lines():
            logger.info("%s: %s", side.title, line)
        for problem in features.report.problems[:3]:
            logger.warning("%s: unusable picture: %s", side.title, problem)
        return features

    def _encode_chunk(self, records: Sequence[Record], side: _Side[Record], show_progress: bool) -> Features:
        channels: dict[str, np.ndarray | sparse.csr_matrix] = {}
        present: dict[str, np.ndarray] = {}
        accounts: dict[str, ChannelReport] = {}
        report = FeatureReport()
        if self._text is not None:
            for name, text_of in side.texts.items():
                texts = [text_of(record) for record in records]
                channels[name], present[name], accounts[name] = self._text.encode(texts, f"{side.title}: {name}", show_progress)
        lexical = self._lexical.encode([side.lexical(record) for record in records])
        channels["lexical"], present["lexical"] = lexical, np.diff(lexical.indptr) > 0
        accounts["lexical"] = ChannelReport(len(records), int(present["lexical"].sum()), len(records), 0)
        if self._image is not None:
            owned = [(record.id, side.pictures(record)) for record in records]
            title = f"{side.title}: pictures"
            channels["image"], present["image"], accounts["image"], report = _encode_pictures(self._image, owned, title, show_progress)
        return Features(tuple(record.id for record in records), channels, present, FeatureReport(accounts) + report)


def _encode_pictures(
    channel: ImageChannel, owned: Sequence[tuple[str, tuple[Path, ...]]], title: str, show_progress: bool
) -> tuple[np.ndarray, np.ndarray, ChannelReport, FeatureReport]:
    """Encode each owner's pictures and take their mean."""
    pictures = channel.encode((path for _, paths in owned for path in paths), title, show_progress)
    vectors = np.zeros((len(owned), pictures.vectors.shape[1]), dtype=np.float16)
    present = np.zeros(len(owned), dtype=bool)
    problems: list[PictureProblem] = []
    for row, (owner, paths) in enumerate(owned):
        places = [pictures.places[path] for path in paths if path in pictures.places]
        if places:
            vectors[row] = pictures.vectors[places].astype(np.float32).mean(axis=0)
            present[row] = True
        faults = ((path, pictures.faults[path]) for path in paths if path in pictures.faults)
        problems += [PictureProblem(owner, path, fault.kind, fault.reason) for path, fault in faults]
    account = ChannelReport(len(owned), int(present.sum()), pictures.encoded, pictures.cached)
    return vectors, present, account, FeatureReport.of_pictures(sum(len(paths) for _, paths in owned), problems)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield lists of at most ``CHUNK`` records; one empty list where there are none."""
    iterator = iter(records)
    chunk = list(islice(iterator, CHUNK))
    yield chunk
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


def _describe(channel: TextChannel | ImageChannel | None) -> dict[str, Any] | None:
    if channel is None:
        return None
    encoder = channel.encoder
    return {"name": encoder.name, "revision": encoder.revision, "dim": channel.dim, "identity": dict(encoder.identity)}


def _identity(description: Any) -> Any:
    return description.get("identity") if isinstance(description, Mapping) else None


def _brief(description: Any) -> str:
    if not isinstance(description, Mapping):
        return "absent"
    identity = description.get("identity") or {}
    return f"{description.get('name', identity.get('kind'))} ({identity})"
