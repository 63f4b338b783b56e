"""Fit the decision of a bundle anew: for another precision, on other mentions, or for a bundle that was never trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, final

from pgmel.errors import BundleError, SettingError
from pgmel.files import find_obstacle, write_json
from pgmel.linking import CARD, Decision, load_encoders, load_reranker, read_card
from pgmel.models import Embedder
from pgmel.settings import settings_from
from pgmel.workflows.deciding import decision_goals
from pgmel.workflows.evaluate import settings_of
from pgmel.workflows.material import limit_mentions, load_material, open_dataset
from pgmel.workflows.measuring import Vectors, add_second_stage, describe_data, embed, fit_nil
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["PrecisionChanges", "calibrate_bundle"]


@final
@dataclass(frozen=True, slots=True)
class PrecisionChanges:
    """What is to be other than in the bundle's settings; None keeps them.

    Args:
        nil_precision: Share of NIL answers that are to be right.
        link_precision: Share of links that are to be right; 0 asks for nothing any more.
        nil_share: Share of NIL mentions that is assumed where the split has none.
    """

    nil_precision: float | None = None
    link_precision: float | None = None
    nil_share: float | None = None

    def apply(self, linking: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings of the group ``linking`` with these changes."""
        given = {"nil_precision": self.nil_precision, "link_precision": self.link_precision, "nil_share": self.nil_share}
        changed: dict[str, float | None] = {name: value for name, value in given.items() if value is not None}
        return {**linking, **changed} | ({"link_precision": None} if self.link_precision == 0 else {})


def calibrate_bundle(
    bundle: Path,
    data: Path,
    split: str = "dev",
    changes: PrecisionChanges | None = None,
    *,
    layout: str = "auto",
    on_error: Literal["stop", "skip"] = "stop",
    device: str = "auto",
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    show_progress: bool = True,
) -> Decision:
    """Fit a bundle's decision on a split, and write it into the bundle's card.

    Model, knowledge base and indexes stay as they are. The mentions are ranked against the data set's own KB.

    Args:
        bundle: Folder that training, or ``pgmel index``, wrote.
        data: The data set.
        split: Which of its splits; better none that the model learned from.
        changes: Precisions other than those of the bundle's settings.
        layout: Its layout; ``auto`` detects it.
        on_error: What to do at a faulty record.
        device: Where encoders and model run.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        show_progress: Whether to show bars.

    Returns:
        The decision.

    Raises:
        BundleError: If the bundle is missing, damaged, or was changed by somebody else in the meantime.
        SettingError: If a precision is out of its range.
        DataError: If the data are missing or faulty.
    """
    card = read_card(bundle)
    if obstacle := find_obstacle(bundle / CARD):
        raise BundleError(f"the bundle {bundle} cannot be changed: {obstacle}; calibrate a copy of it")
    old = settings_of(card, bundle)
    values = old.model_dump(mode="json")
    settings = settings_from({**values, "linking": (changes or PrecisionChanges()).apply(values["linking"])}, origin="pgmel calibrate")
    if split == settings.data.train_split and not card.get("zero_shot"):
        raise SettingError(
            f"the decision cannot be fitted on {split!r}: the model learned those mentions; name a split that it has not seen"
        )
    place = resolve_device(device)
    use_threads(settings.training.threads)
    dataset = limit_mentions(open_dataset(data, layout, on_error), settings)
    encoders = load_encoders(card, bundle, str(place), text_encoder, image_encoder, use_cache=True)
    material = load_material(dataset, encoders, [split], show_progress)
    vectors = embed(Embedder.load(bundle / "model", str(place)), material, split)

    def fit(scored: Vectors) -> Decision:
        return fit_nil(scored, material.splits[split], settings.linking.top_k, settings.seed, decision_goals(settings))

    decision = fit(vectors)
    new = dict(card)
    if reranker := load_reranker(card, bundle):
        # Another KB is linked by the single vector alone, with the decision for it.
        new["reranker"] = {**(card.get("reranker") or {}), "decision_without": decision.to_dict()}
        decision = fit(add_second_stage(vectors, reranker, material, split))
    if read_card(bundle) != card:
        raise BundleError(f"the bundle {bundle} was changed by somebody else in the meantime; run the command again")
    about = {"data": describe_data(material, split), "created": datetime.now(UTC).isoformat(timespec="seconds")}
    linking = {**card["settings"].get("linking", {}), **settings.model_dump(mode="json")["linking"]}
    new |= {"settings": {**card["settings"], "linking": linking}, "decision": decision.to_dict(), "calibrated": about}
    new.pop("decision_note", None)  # it said that the decision was fitted for another KB
    write_json(bundle / CARD, new)
    return decision
