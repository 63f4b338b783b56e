"""Measure a bundle's model on a data set."""

from pathlib import Path
from typing import Literal

from pgmel.datasets import load_dataset
from pgmel.errors import SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.linking import Decision, read_card
from pgmel.models import Embedder
from pgmel.settings import Settings, settings_from
from pgmel.workflows.material import load_material, make_encoders
from pgmel.workflows.measuring import embed, measure_split
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["evaluate_bundle", "settings_of"]


def settings_of(card: dict[str, object], bundle: Path) -> Settings:
    """Return the settings that a bundle was trained with."""
    values = card["settings"]
    if not isinstance(values, dict):
        raise SettingError(f"the card of {bundle} holds no settings")
    return settings_from(values, origin=f"the card of {bundle}")


def evaluate_bundle(
    bundle: Path,
    data: Path,
    split: str,
    *,
    layout: str = "auto",
    protocol: Literal["kb", "candidates"] = "kb",
    on_error: Literal["stop", "skip"] = "stop",
    device: str = "auto",
    show_progress: bool = True,
) -> EvaluationResult:
    """Rank the mentions of a split against the data set's own KB with a bundle's model.

    Args:
        bundle: Folder that training wrote.
        data: The data set.
        split: Which of its splits.
        layout: Its layout; ``auto`` detects it.
        protocol: Against the whole KB, or against candidate lists.
        on_error: What to do at a faulty record.
        device: Where encoders and model run.
        show_progress: Whether to show bars.
    """
    card = read_card(bundle)
    settings = settings_of(card, bundle)
    place = resolve_device(device)
    use_threads(settings.training.threads)
    dataset = load_dataset(data, layout, on_error)
    material = load_material(dataset, make_encoders(settings.features, str(place)), [split], show_progress)
    embedder = Embedder.load(bundle / "model", str(place))
    decision = Decision.from_dict(card["decision"]) if card["decision"] is not None else None
    return measure_split(embed(embedder, material, split), material, split, settings, "trained", protocol, decision).result
