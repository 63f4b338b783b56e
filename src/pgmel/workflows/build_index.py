"""Put a trained model to work on another knowledge base."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from pgmel.index import EntityIndex
from pgmel.linking import load_encoders, read_card, write_bundle
from pgmel.models import Embedder
from pgmel.workflows.evaluate import settings_of
from pgmel.workflows.material import open_dataset
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["build_bundle"]


def build_bundle(
    model: Path,
    kb: Path,
    out: Path,
    *,
    layout: str = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    kind: str | None = None,
    device: str = "auto",
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Encode and index the entities of a data set with a bundle's model, into a new bundle.

    Args:
        model: The bundle whose model is used.
        kb: The data set whose entities are indexed.
        out: Folder of the new bundle.
        layout: Layout of the data set.
        on_error: What to do at a faulty record.
        kind: Kind of index; None takes the one of the bundle's settings.
        device: Where encoders and model run.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        show_progress: Whether to show bars.

    Returns:
        Number of entities, kind of index, and what became of the pictures.
    """
    card = read_card(model)
    settings = settings_of(card, model)
    place = resolve_device(device)
    use_threads(settings.training.threads)
    dataset = open_dataset(kb, layout, on_error)
    encoders = load_encoders(card, model, str(place), text_encoder, image_encoder, use_cache=True)
    entities = encoders.encode_entities(dataset.entities, show_progress=show_progress)
    embedder = Embedder.load(model / "model", str(place))
    about = settings.index
    rng = np.random.default_rng(settings.seed)
    index = EntityIndex.build(embedder.embed_entities(entities), kind or about.kind, about.exact_limit, about.nprobe, about.refine, rng)
    data = {"name": dataset.name, "layout": dataset.layout, "entities": len(dataset.entities), "trained_on": card["data"]}
    # An encoder that moved is named where it is now, or the new bundle could not be opened without being told again.
    moved = {name: value for name, value in (("text_encoder", text_encoder), ("image_encoder", image_encoder)) if value}
    new = {
        "data": data,
        "settings": {**card["settings"], "features": {**card["settings"]["features"], **moved}},
        "scores": {},
        "encoders": encoders.describe(),
        "decision": card["decision"],
        "decision_note": "fitted on the data that the model was trained on, not on this knowledge base",
    }
    write_bundle(out, dataset.entities, embedder, index, new, image_root=dataset.root)
    return {"entities": len(dataset.entities), "kind": index.kind, "pictures": entities.report.as_dict()["pictures"]}
