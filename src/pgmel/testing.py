"""Stand-ins for tests: encoders without weights, and a small world of entities and mentions in which neither text nor picture is enough.

Everything is a function of its arguments; nothing is downloaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import msgspec
import numpy as np
from PIL import Image

from pgmel.features import Encoders
from pgmel.files import hash_bytes, write_bytes
from pgmel.records import NIL, NIL_TEXT, Entity, Mention

__all__ = ["FakeImageEncoder", "FakeTextEncoder", "ToyWorld", "fake_encoders", "toy_world"]

_NAMES: Final = ("Alder", "Brook", "Carmine", "Dover", "Ember", "Fenwick", "Garland", "Hazel", "Ivory", "Juniper")
_KINDS: Final = {
    "river": ("water", "flows", "bridge", "valley", "fish", "banks"),
    "painter": ("canvas", "portrait", "museum", "exhibited", "colours", "studio"),
    "town": ("mayor", "market", "streets", "inhabitants", "station", "church"),
}
_FILLER: Final = ("yesterday", "people", "spoke", "about", "again", "with", "much", "interest", "this", "morning")
_SIDE: Final = 24


@final
class FakeTextEncoder:
    """A bag of words: each word has its own random direction, so texts that share words are alike.

    ``texts`` collects what was encoded, in order, so that a test sees what came from a cache instead.
    """

    name = "fake-text"
    revision: str | None = None

    def __init__(self, dim: int = 64) -> None:
        self.dim = dim
        self.texts: list[str] = []

    @property
    def identity(self) -> Mapping[str, Any]:
        """The cache's key."""
        return {"kind": "fake-text", "dim": self.dim}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (texts, dim) float32 vectors."""
        self.texts += texts
        words = [text.lower().replace(".", " ").split() or [""] for text in texts]
        return np.stack([np.sum([self._direction(word) for word in row], axis=0) for row in words]).astype(np.float32)

    def _direction(self, word: str) -> np.ndarray:
        return np.random.default_rng(int(hash_bytes(word.encode())[:12], 16)).standard_normal(self.dim)


@final
class FakeImageEncoder:
    """The mean colours of a grid of 3 x 3 cells: 27 numbers; ``num_encoded`` counts pictures encoded."""

    name = "fake-image"
    revision: str | None = None
    target: int | None = None
    dim = 27

    def __init__(self) -> None:
        self.num_encoded = 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """The cache's key."""
        return {"kind": "fake-image"}

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return the colours as 27 numbers around zero."""
        return np.asarray(picture.resize((3, 3), Image.Resampling.BOX), dtype=np.float32).ravel() / 255 - 0.5

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Return (pictures, 27) float32 vectors."""
        self.num_encoded += len(prepared)
        return np.stack(prepared)


def fake_encoders(text: bool = True, image: bool = True, lexical_dim: int = 256, cache_dir: Path | None = None) -> Encoders:
    """Return encoders made of the fakes; without a ``cache_dir`` nothing is kept."""
    return Encoders(
        FakeTextEncoder() if text else None,
        FakeImageEncoder() if image else None,
        lexical_dim=lexical_dim,
        batch_size=16,
        cache_dir=cache_dir,
    )


@final
@dataclass(frozen=True)
class ToyWorld:
    """Thirty entities, three of each name (a river, a painter, a town), and mentions of them.

    Half the sentences hold words that give the kind away. Four mentions in five have a picture: the entity's, faded and noisy, which an
    entity of another name shares. Some mentions of dev and test are ``NIL``: a fourth thing of the same name, with a picture of its own.
    """

    entities: tuple[Entity, ...]
    splits: Mapping[str, tuple[Mention, ...]]

    @property
    def mentions(self) -> tuple[Mention, ...]:
        """All mentions, of all splits."""
        return tuple(mention for split in self.splits.values() for mention in split)

    def gold_rows(self, split: str) -> np.ndarray:
        """Return each mention's row in ``entities``, -1 for ``NIL``: (mentions,) int64."""
        rows: dict[object, int] = {entity.id: row for row, entity in enumerate(self.entities)}
        return np.array([rows.get(mention.entity_id, -1) for mention in self.splits[split]], dtype=np.int64)

    def write(self, folder: Path) -> None:
        """Write kb.jsonl and one file per split in the generic layout, beside the pictures made by ``toy_world(folder)``."""
        kb = [
            {
                "id": e.id,
                "name": e.name,
                "aliases": list(e.aliases),
                "description": e.description,
                "images": [str(image.relative_to(folder)) for image in e.images],
            }
            for e in self.entities
        ]
        _write_lines(folder / "kb.jsonl", kb)
        for split, mentions in self.splits.items():
            _write_lines(folder / f"{split}.jsonl", [_mention_record(mention, folder) for mention in mentions])


def toy_world(folder: Path | None = None, seed: int = 0) -> ToyWorld:
    """Make the world: 30 entities, 72 training, 30 dev and 30 test mentions.

    Args:
        folder: Where small PNG files are written, under ``images``; None makes a world without pictures.
        seed: Of everything drawn.
    """
    rng = np.random.default_rng(seed)
    entities: list[Entity] = []
    looks: list[np.ndarray] = []
    for name in _NAMES:
        for kind, words in _KINDS.items():
            key = f"E{len(entities):02d}"
            # Every second name has the looks of the name before, so that a picture alone leaves two entities to choose from.
            twin = len(_KINDS) if len(entities) % (2 * len(_KINDS)) >= len(_KINDS) else 0
            look = looks[-twin] if twin else rng.integers(0, 256, (3, 3, 3)).astype(np.float64)
            picture = _save(look, folder, f"entity-{key}")
            description = " ".join([kind, *rng.permutation(words)[:5]])
            entities.append(Entity(key, name, (f"{name} ({kind})",), description, (picture,) if picture else ()))
            looks.append(look)
    splits: dict[str, tuple[Mention, ...]] = {}
    for split, size in (("train", 72), ("dev", 30), ("test", 30)):
        rows = rng.integers(len(entities), size=size)
        splits[split] = tuple(
            _mention(f"{split}-{number}", split != "train" and number % 6 == 5, number, entities[row], looks[row], folder, rng)
            for number, row in enumerate(rows)
        )
    return ToyWorld(tuple(entities), splits)


def _mention(key: str, nil: bool, number: int, entity: Entity, look: np.ndarray, folder: Path | None, rng: np.random.Generator) -> Mention:
    words = _KINDS[entity.description.split()[0]]
    hints = rng.permutation(words)[:4] if number % 2 and not nil else ()
    before, after = rng.permutation(_FILLER[:5])[:2], rng.permutation([*_FILLER[5:7], *hints])
    start = len(" ".join(before)) + 1
    context = f"{' '.join(before)} {entity.name} {' '.join(after)}."
    picture = None
    if number % 5:
        seen = rng.integers(0, 256, look.shape) if nil else look * rng.uniform(0.5, 0.9) + rng.normal(0, 30, look.shape) + 20
        picture = _save(np.asarray(seen, dtype=np.float64), folder, f"mention-{key}")
    return Mention(key, entity.name, context, start, start + len(entity.name), picture, NIL if nil else entity.id)


def _save(look: np.ndarray, folder: Path | None, name: str) -> Path | None:
    if folder is None:
        return None
    pixels = np.kron(np.clip(look, 0, 255).astype(np.uint8), np.ones((_SIDE // 3, _SIDE // 3, 1), dtype=np.uint8))
    path = folder / "images" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def _mention_record(mention: Mention, folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = {"id": mention.id, "mention": mention.surface, "context": mention.context}
    record |= {"start": mention.start, "end": mention.end, "entity_id": NIL_TEXT if mention.entity_id is NIL else mention.entity_id}
    return record | ({"image": str(mention.image.relative_to(folder))} if mention.image else {})


def _write_lines(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    write_bytes(path, b"".join(msgspec.json.encode(record) + b"\n" for record in records))
