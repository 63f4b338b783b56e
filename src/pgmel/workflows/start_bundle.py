"""A linker without any training: for a knowledge base whose mentions nobody has annotated yet."""

import logging
import tempfile
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from pgmel.features import Encoders, Features
from pgmel.index import EntityIndex
from pgmel.linking import check_replaceable, write_bundle
from pgmel.models import fit_projection
from pgmel.records import Entity
from pgmel.settings import Settings
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.kb import find_kb, is_kb
from pgmel.workflows.material import make_encoders, open_dataset
from pgmel.workflows.preparation import channel_weights, start_embedder
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["FITTED_ON", "start_bundle"]

log = logging.getLogger("pgmel.workflows")

FITTED_ON: Final = 50_000
"""The projection is fitted on so many entities of a larger KB, drawn at random."""


def start_bundle(
    kb: Path,
    out: Path,
    settings: Settings,
    *,
    layout: str = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    kind: str | None = None,
    device: str = "auto",
    show_progress: bool = True,
) -> dict[str, Any]:
    """Write a bundle of the untrained model, the zero-shot baseline, for a KB; no mention is needed, and no label.

    The projection is fitted on the entities alone. The bundle has no decision: its links have scores but no probabilities, and NIL is
    answered only where a mention has nothing that the model reads.

    Args:
        kb: What ``pgmel kb build`` wrote, the KB of another bundle, or a data set.
        out: Folder of the bundle.
        settings: All settings; those of features, model and index count.
        layout: Layout of the data set.
        on_error: What to do at a faulty record.
        kind: Kind of index; None takes the one of the settings.
        device: Where encoders and model run.
        show_progress: Whether to show bars.

    Returns:
        Number of entities, kind of index, and what became of the pictures.
    """
    check_replaceable(out)
    place = resolve_device(device)
    use_threads(settings.training.threads)
    encoders = make_encoders(settings.features, str(place))
    entities = _sample(kb, layout, on_error, np.random.default_rng(settings.seed))
    log.info("the projection is fitted on %d entities, which are encoded for it first", len(entities))
    with tempfile.TemporaryDirectory(prefix="pgmel-start-") as folder:
        model = Path(folder) / "model"
        _write_model(model, entities, encoders, settings, str(place), show_progress)
        return build_bundle(
            model, kb, out, layout=layout, on_error=on_error, kind=kind, device=device, show_progress=show_progress, trained=False
        )


def _sample(kb: Path, layout: str, on_error: Literal["stop", "skip"], rng: np.random.Generator) -> list[Entity]:
    if is_kb(kb):
        with find_kb(kb).open() as store:
            rows = np.setdiff1d(np.arange(store.num_rows), store.free_rows())
            return store.get_many(np.sort(rng.permutation(rows)[:FITTED_ON]))
    entities = open_dataset(kb, layout, on_error).entities
    return [entities[row] for row in np.sort(rng.permutation(len(entities))[:FITTED_ON])]


def _write_model(folder: Path, entities: list[Entity], encoders: Encoders, settings: Settings, device: str, show_progress: bool) -> None:
    """Write the untrained model as a bundle over a single entity, from which any knowledge base can be indexed."""
    # Not reported: all of them are encoded once more, from the cache, as part of the whole KB.
    features = Features.join(encoders.stream_entities(entities, show_progress=show_progress))
    projection = fit_projection(
        [features],
        channel_weights(settings),
        dim_text=settings.model.text_input,
        dim_image=settings.model.image_input,
        lexical_rank=settings.features.lexical_rank,
        whitening=settings.model.whitening,
        seed=0,
    )
    embedder = start_embedder(projection, settings, device)
    index = EntityIndex.build(embedder.embed_entities(features.take(np.arange(1))), "exact")
    card = {
        "data": None,
        "settings": settings.model_dump(mode="json"),
        "scores": {},
        "encoders": encoders.describe(),
        "decision": None,
    }
    write_bundle(folder, entities[:1], embedder, index, card)
