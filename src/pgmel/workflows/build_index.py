"""Put a trained model to work on another knowledge base."""

from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from pgmel.index import EntityIndex
from pgmel.linking import IMAGE_ENCODER, bundled_encoder, check_replaceable, load_encoders, load_reranker, read_card, write_bundle
from pgmel.models import Embedder
from pgmel.workflows.evaluate import settings_of
from pgmel.workflows.kb import find_kb, index_kb, is_kb
from pgmel.workflows.material import open_dataset
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["build_bundle"]

_DECISION_NOTE: Final = "fitted on the data that the model was trained on, not on this knowledge base"
_CALIBRATED_NOTE: Final = "fitted by `pgmel calibrate` on other data (`calibrated`), not on this knowledge base"
_NO_DECISION_NOTE: Final = "none: the bundle that the model comes from has none for the single vector; `pgmel calibrate` fits one"
_UNTRAINED_NOTE: Final = "none: the model is untrained, and no annotated mentions were there to fit one on"


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
    trained: bool = True,
    keep_second_stage: bool = False,
) -> dict[str, Any]:
    """Encode and index the entities of a knowledge base with a bundle's model, into a new bundle.

    Encoders that lie in the bundle go along, so that the new bundle does not need the old one.

    Args:
        model: The bundle whose model is used.
        kb: What is indexed: a KB that ``pgmel kb build`` wrote, which is encoded part by part; the KB of another bundle; or a data set.
        out: Folder of the new bundle.
        layout: Layout of the data set.
        on_error: What to do at a faulty record.
        kind: Kind of index; None takes the one of the bundle's settings.
        device: Where encoders and model run.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        show_progress: Whether to show bars.
        trained: Whether the model was trained; the card of the new bundle says so.
        keep_second_stage: Whether the bundle's second stage goes along. It was fitted on the entities and sentences of its training, and
            where those of another KB are written otherwise it does harm, so it stays behind by default; the decision is then the one that
            was fitted for the single vector.

    Returns:
        Number of entities, kind of index, what became of the pictures, and whether there is a second stage.

    Raises:
        PgmelError: If model, knowledge base or encoders cannot be used, or (found out before the work) ``out`` cannot be replaced.
    """
    check_replaceable(out)
    card = read_card(model)
    settings = settings_of(card, model)
    place = resolve_device(device)
    use_threads(settings.training.threads)
    encoders = load_encoders(card, model, str(place), text_encoder, image_encoder, use_cache=True)
    embedder = Embedder.load(model / "model", str(place))
    kinds = settings.index
    build = (kind or kinds.kind, kinds.exact_limit, kinds.nprobe, kinds.refine, np.random.default_rng(settings.seed))
    # An encoder that moved is named where it is now, or the new bundle could not be opened without being told again.
    moved = {name: value for name, value in (("text_encoder", text_encoder), ("image_encoder", image_encoder)) if value}
    new = {
        "settings": {**card["settings"], "features": {**card["settings"]["features"], **moved}},
        "scores": {},
        "encoders": encoders.describe(),
        "decision": card["decision"],
        "reranker": None,
        "decision_note": _DECISION_NOTE,
    }
    origin = {}
    if trained and not card.get("zero_shot"):
        origin = {"trained_on": card["data"].get("trained_on", card["data"])}
    else:
        new |= {"zero_shot": True, "decision_note": _UNTRAINED_NOTE}
    reranker = load_reranker(card, model)
    if keep_second_stage:
        new |= {"reranker": card.get("reranker")}
    elif reranker is not None:
        reranker, new = None, new | {"decision": (card.get("reranker") or {}).get("decision_without")}
    if new["decision"] is None and origin:
        new |= {"decision_note": _NO_DECISION_NOTE}
    elif card.get("calibrated") and new["decision"] is not None:
        new |= {"calibrated": card["calibrated"], "decision_note": _CALIBRATED_NOTE}
    about = {"second_stage": reranker is not None}
    inside: dict[str, Any] = {"encoder": bundled_encoder(card, model), "image_encoder": bundled_encoder(card, model, IMAGE_ENCODER)}
    if is_kb(kb):
        with (
            find_kb(kb).open() as store,
            index_kb(store, encoders, embedder, *build, out.absolute().parent, show_progress) as (index, report),
        ):
            data = {"name": kb.name, "layout": "kb", "entities": len(store)} | origin
            write_bundle(out, store, embedder, index, new | {"data": data}, show_progress=show_progress, reranker=reranker, **inside)
            return about | {"entities": len(store), "kind": index.kind, "pictures": report.as_dict()["pictures"]}
    dataset = open_dataset(kb, layout, on_error)
    entities = encoders.encode_entities(dataset.entities, show_progress=show_progress)
    index = EntityIndex.build(embedder.embed_entities(entities), *build)
    data = {"name": dataset.name, "layout": dataset.layout, "entities": len(dataset.entities)} | origin
    write_bundle(out, dataset.entities, embedder, index, new | {"data": data}, image_root=dataset.root, reranker=reranker, **inside)
    return about | {"entities": len(dataset.entities), "kind": index.kind, "pictures": entities.report.as_dict()["pictures"]}
