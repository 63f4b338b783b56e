"""Measure a bundle's model on a data set."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pgmel.errors import BundleError, SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.linking import Decision, load_encoders, load_reranker, read_card
from pgmel.models import Embedder
from pgmel.settings import Settings, settings_from
from pgmel.workflows.deciding import judge_removed
from pgmel.workflows.material import Material, limit_mentions, load_material, mentions_digest, open_dataset
from pgmel.workflows.measuring import add_second_stage, compare_stages, embed, make_ranker, measure_split
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["decision_of", "evaluate_bundle", "is_fitted_on", "settings_of"]


def settings_of(card: dict[str, object], bundle: Path) -> Settings:
    """Return the settings that a bundle was trained with.

    Raises:
        BundleError: If its card does not hold them.
    """
    values = card["settings"]
    if not isinstance(values, dict):
        raise BundleError(f"the card of {bundle} holds no settings; copy or build the bundle again")
    try:
        return settings_from(values, origin=f"the card of {bundle}")
    except SettingError as error:
        raise BundleError(f"the bundle {bundle} is damaged, or of another version: {error}") from None


def evaluate_bundle(
    bundle: Path,
    data: Path,
    split: str,
    *,
    layout: str = "auto",
    protocol: Literal["kb", "candidates"] | None = None,
    on_error: Literal["stop", "skip"] = "stop",
    device: str = "auto",
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    remove_gold: float | None = None,
    show_progress: bool = True,
) -> EvaluationResult:
    """Rank the mentions of a split against the data set's own KB with a bundle's model, and with its second stage.

    Args:
        bundle: Folder that training wrote.
        data: The data set.
        split: Which of its splits.
        layout: Its layout; ``auto`` detects it.
        protocol: Against the whole KB, or against candidate lists; by default as the bundle's settings say.
        on_error: What to do at a faulty record.
        device: Where encoders and model run.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        remove_gold: Measure the decision between link and NIL too, with this share of the gold entities removed from the KB.
        show_progress: Whether to show bars.
    """
    card = read_card(bundle)
    settings = settings_of(card, bundle)
    place = resolve_device(device)
    use_threads(settings.training.threads)
    dataset = limit_mentions(open_dataset(data, layout, on_error), settings)  # what was seen in training decides a slice
    encoders = load_encoders(card, bundle, str(place), text_encoder, image_encoder, use_cache=True)
    material = load_material(dataset, encoders, [split], show_progress)
    embedder = Embedder.load(bundle / "model", str(place))
    decision = decision_of(card, bundle)
    vectors = embed(embedder, material, split)
    single = None
    if (reranker := load_reranker(card, bundle)) is not None:
        single = measure_split(vectors, material, split, settings, "trained", protocol)
        vectors = add_second_stage(vectors, reranker, material, split)
    system = "re-ranked" if reranker else "zero-shot" if card.get("zero_shot") else "trained"
    seen = is_fitted_on(card, material, split, settings)
    last = measure_split(vectors, material, split, settings, system, protocol, decision, seen)
    result = last.result
    if single is not None:
        result = replace(result, single_vector=single.result, second_stage=compare_stages(single, last, material, split, settings))
    if remove_gold is None:
        return result
    if decision is None:
        raise BundleError(f"the bundle {bundle} was not calibrated, so that it never answers NIL; run `pgmel calibrate` first")
    part = material.splits[split]
    found = judge_removed(make_ranker(vectors, part), len(material.entities), part, decision, seen, settings, remove_gold)
    return replace(result, removed_gold=found.result)


def is_fitted_on(card: Mapping[str, Any], material: Material, split: str, settings: Settings) -> bool:
    """Return whether the bundle's decision was fitted on these mentions.

    Their digest tells; where the card is of an older version and has none, counts do, of the same split.
    """
    again = card.get("calibrated")
    about = again.get("data") if isinstance(again, Mapping) else card["data"]
    about = about if isinstance(about, Mapping) else {}
    about = about.get("trained_on", about)  # `pgmel index` took the decision along from there
    about = about if isinstance(about, Mapping) else {}
    fitted, mentions, digests = about.get("split", settings.data.dev_split), about.get("mentions"), about.get("digests")
    if isinstance(digests, Mapping):
        return bool(digests.get(fitted) == mentions_digest(material.splits[split].mentions))
    if split != fitted or not isinstance(mentions, Mapping):
        return False
    return bool((about.get("entities"), mentions.get(split)) == (len(material.dataset.entities), len(material.dataset.splits[split])))


def decision_of(card: dict[str, Any], bundle: Path) -> Decision | None:
    """Return the decision of a bundle, or None if it was not calibrated.

    Raises:
        BundleError: If its card is damaged.
    """
    try:
        return None if card["decision"] is None else Decision.from_dict(card["decision"])
    except SettingError as error:
        raise BundleError(f"the bundle {bundle} is damaged: {error}; copy or build it again") from None
