"""From mentions and entities to feature matrices."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, Self, TypeVar, final

import numpy as np
from scipy import sparse

from pgmel.errors import SettingError
from pgmel.features.cache import VectorCache, default_cache_dir
from pgmel.features.descriptor import ColourLayout
from pgmel.features.fingerprints import FileDigests
from pgmel.features.image_channel import ImageChannel
from pgmel.features.lexical import LexicalHasher
from pgmel.features.loading import EncoderLoader
from pgmel.features.picture_parts import PictureParts
from pgmel.features.protocols import ImageEncoder, TextEncoder
from pgmel.features.rows import ChannelReport, FeatureReport, Features, PictureProblem
from pgmel.features.text_channel import TextChannel
from pgmel.features.texts import ENTITY_TEXTS, MENTION_TEXTS, entity_lexical, mention_name
from pgmel.features.transformer_text import TransformerText
from pgmel.features.years import NUM_PERIODS, YEARS_IDENTITY, mark_spans, mark_years
from pgmel.records import Entity, Mention

if TYPE_CHECKING:
    from pgmel.features.text_network import TextNetwork

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
    """How the records of one side are read: its title, the texts of its channels, its pictures, and how its years are marked."""

    title: str
    texts: Mapping[str, Callable[[Record], str]]
    lexical: Callable[[Record], str]
    pictures: Callable[[Record], tuple[Path, ...]]
    dated: Callable[[Record], str]
    years: Callable[[Sequence[str]], np.ndarray]


_MENTIONS: Final = _Side[Mention](
    "mentions",
    MENTION_TEXTS,
    mention_name,
    lambda mention: (mention.image,) if mention.image else (),
    lambda mention: mention.context,
    mark_years,
)
_ENTITIES: Final = _Side[Entity](
    "entities",
    ENTITY_TEXTS,
    entity_lexical,
    lambda entity: tuple(entity.images[:MAX_ENTITY_PICTURES]),
    lambda entity: entity.description,
    mark_spans,
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
        image_sides: ``both``, ``mentions`` or ``entities``: whose pictures are read; the other side then has none.
        more_image: Further image encoders by the name of their channel, over the same pictures.
    """

    def __init__(
        self,
        text: TextEncoder | None,
        image: ImageEncoder | None,
        *,
        lexical_dim: int = 4096,
        batch_size: int = 64,
        cache_dir: Path | None = None,
        image_sides: str = "both",
        more_image: Mapping[str, ImageEncoder] | None = None,
    ) -> None:
        self._image_sides = image_sides
        self._lexical = LexicalHasher(lexical_dim)
        self._text = None if text is None else TextChannel(text, VectorCache(cache_dir, text.identity), batch_size)
        views = {} if image is None else {"image": image} | dict(more_image or {})
        digests = FileDigests(cache_dir)
        self._images = {
            name: ImageChannel(encoder, VectorCache(cache_dir, encoder.identity), digests, batch_size) for name, encoder in views.items()
        }

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
        image_sides: str = "both",
        image_parts: bool = False,
        image_layout: bool = False,
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
            image_sides: ``both``, ``mentions`` or ``entities``: whose pictures are read.
            image_parts: Whether the image encoder looks at five parts of every picture too (channel ``image_parts``).
            image_layout: Whether the colour layout descriptor stands beside the image encoder (channel ``image_layout``).

        Raises:
            EncoderError: If a name is neither a folder with a model nor a hub model that can be reached.
            MissingExtraError: If an encoder's package is not installed.
        """
        folder = (cache_dir or default_cache_dir()) if use_cache else None
        loader = EncoderLoader(revision, pooling, max_tokens, device, FileDigests(folder))
        text, image = loader.text(text_encoder), loader.image(image_encoder)
        more: dict[str, ImageEncoder] = {}
        if image is not None and image_parts:
            more["image_parts"] = PictureParts(image)
        if image is not None and image_layout:
            more["image_layout"] = ColourLayout()
        return cls(
            text,
            image,
            lexical_dim=lexical_dim,
            batch_size=batch_size,
            cache_dir=folder,
            image_sides=image_sides,
            more_image=more,
        )

    def encode_mentions(self, mentions: Iterable[Mention], show_progress: bool = True) -> Features:
        """Encode mentions: surface, surface with sentence, character n-grams of the surface, years of the sentence, picture.

        Raises:
            EncoderError: If a model cannot be loaded. Pictures that cannot be used are masked and reported, not raised.
        """
        return self._encode(mentions, _MENTIONS, show_progress)

    def encode_entities(self, entities: Iterable[Entity], show_progress: bool = True) -> Features:
        """Encode entities: name, name with description, n-grams of name and aliases, years of the description, mean of the pictures.

        Raises:
            EncoderError: If a model cannot be loaded. Pictures that cannot be used are masked and reported, not raised.
        """
        return self._encode(entities, _ENTITIES, show_progress)

    def stream_entities(self, entities: Iterable[Entity], show_progress: bool = True) -> Iterator[Features]:
        """Encode entities as ``encode_entities`` does, in parts of ``CHUNK`` rows, holding one in memory; at least one part comes."""
        yield from (self._encode_chunk(chunk, _ENTITIES, show_progress) for chunk in _chunks(entities))

    def open_text_network(self) -> "TextNetwork":
        """Load the text encoder anew, as a network that may learn; these encoders and their cache are not touched by what it learns.

        Raises:
            SettingError: If there is no text encoder, or it is of a kind that cannot be trained here.
            EncoderError: If it cannot be loaded.
        """
        encoder = None if self._text is None else self._text.encoder
        if not isinstance(encoder, TransformerText):
            kind = "there is none" if encoder is None else f"{encoder.name!r} is a {encoder.identity.get('kind')}"
            raise SettingError(
                f"features.train_encoder trains a text encoder of its own (BERT's kind, sentence-transformers folders), but {kind}; "
                "the towers of CLIP and SigLIP stay frozen: set features.train_encoder to none, or name another features.text_encoder"
            )
        return encoder.open_network()

    def describe(self) -> dict[str, Any]:
        """Return what the features depend on, as JSON-like values: names, revisions, lengths and fingerprints."""
        return {
            "text": _describe(self._text),
            "image": _describe(self._images.get("image")),
            **{name: _describe(channel) for name, channel in self._images.items() if name != "image"},
            "lexical": {"dim": self._lexical.dim, "identity": self._lexical.identity},
            "years": {"dim": NUM_PERIODS, "identity": YEARS_IDENTITY},
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
        years = side.years([side.dated(record) for record in records])
        channels["years"], present["years"] = years, np.asarray(years.any(axis=1))
        for name in ("lexical", "years"):
            accounts[name] = ChannelReport(len(records), int(present[name].sum()), len(records), 0)
        reads = self._image_sides in ("both", side.title)
        owned = [(record.id, side.pictures(record) if reads else ()) for record in records] if self._images else []
        for name, channel in self._images.items():
            title = f"{side.title}: pictures" if name == "image" else f"{side.title}: {name.replace('_', ' ')}"
            channels[name], present[name], accounts[name], report = _encode_pictures(channel, owned, title, show_progress)
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
