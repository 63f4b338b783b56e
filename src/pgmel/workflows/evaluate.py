"""Measure a bundle's model on a data set."""

from pathlib import Path
from typing import Any, Literal

from pgmel.errors import BundleError, SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.linking import Decision, load_encoders, read_card
from pgmel.models import Embedder
from pgmel.settings import Settings, settings_from
from pgmel.workflows.material import limit_mentions, load_material, open_dataset
from pgmel.workflows.measuring import embed, measure_split
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["decision_of", "evaluate_bundle", "settings_of"]


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
    show_progress: bool = True,
) -> EvaluationResult:
    """Rank the mentions of a split against the data set's own KB with a bundle's model.

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
    return measure_split(embed(embedder, material, split), material, split, settings, "trained", protocol, decision).result


def decision_of(card: dict[str, Any], bundle: Path) -> Decision | None:
    """Return the decision of a bundle, or None if it was not calibrated.

    Raises:
        BundleError: If its card is damaged.
    """
    try:
        return None if card["decision"] is None else Decision.from_dict(card["decision"])
    except SettingError as error:
        raise BundleError(f"the bundle {bundle} is damaged: {error}; copy or build it again") from None
