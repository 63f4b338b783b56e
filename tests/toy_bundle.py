"""A bundle of a few entities, made of real parts that need no weights: character n-grams and colours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pgmel.features import Encoders
from pgmel.index import EntityIndex
from pgmel.linking import Decision, write_bundle
from pgmel.models import Embedder, fit_projection, start_discriminator
from pgmel.records import Entity

__all__ = ["COLOURS", "draw_picture", "make_decision", "toy_entities", "write_toy_bundle"]

COLOURS = {"Congo": "green", "Georgia": "white", "Korea": "silver", "Samoa": "red", "Macedonia": "yellow", "Luxembourg": "cyan"}
NAMES = ("Brazzaville", "Guinea", "Mexico", "Virgin Islands", "Saint Martin", "Ireland", "Sudan", "Niger")


def draw_picture(path: Path, colour: str, size: int = 48) -> Path:
    """Draw a picture: a band of a colour over black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (size, size), "black")
    picture.paste(Image.new("RGB", (size, size // 2), colour), (0, 0))
    picture.save(path)
    return path


def toy_entities(pictures: Path) -> list[Entity]:
    """Return the entities, some of them with a picture."""
    with_picture = [
        Entity(f"Q{number}", name, description=f"place called {name}", images=(draw_picture(pictures / f"{number}.png", colour),))
        for number, (name, colour) in enumerate(COLOURS.items())
    ]
    return with_picture + [Entity(f"R{number}", name, description="another place") for number, name in enumerate(NAMES)]


def make_decision(**changes: Any) -> Decision:
    """Return a decision that links names spelt right and answers NIL to strange ones."""
    return Decision(**{"temperature": 0.05, "nil_score": 0.4, "threshold": 0.5, "num_candidates": 8, **changes})


def write_toy_bundle(
    folder: Path,
    decision: Decision | None,
    nil: bool = True,
    image_encoder: str = "descriptor",
    lexical_weight: float = 1.0,
    change: Callable[[Entity], Entity] = lambda entity: entity,
) -> Path:
    """Write the bundle, with its pictures beside it; ``change`` may give entities other values."""
    entities = [change(entity) for entity in toy_entities(folder.parent / "pictures")]
    encoders = Encoders.load(text_encoder="none", image_encoder=image_encoder, lexical_dim=256, use_cache=False)
    features = encoders.encode_entities(entities, show_progress=False)
    weights = {"lexical": lexical_weight, "image": 0.5}
    projection = fit_projection([features], weights, dim_text=64, dim_image=32, lexical_rank=64, whitening=0.0, seed=0)
    embedder = Embedder(projection, start_discriminator(projection, dim=64, image_dim=None))
    index = EntityIndex.build(embedder.embed_entities(features), "exact")
    named = {"text_encoder": "none", "image_encoder": image_encoder, "lexical_dim": 256}
    card = {
        "data": {"name": "toy"},
        "settings": {"features": named, "linking": {"nil": nil}},
        "scores": {"h_at_1": 1.0},
        "encoders": encoders.describe(),
        "decision": decision,
    }
    write_bundle(folder, entities, embedder, index, card, image_root=folder.parent)
    assert np.isfinite(index.vectors).all()
    return folder
