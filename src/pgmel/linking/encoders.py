"""Get the encoders that a bundle was made with, and notice when they are others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pgmel.errors import BundleError, EncoderError, SettingError
from pgmel.features import Encoders
from pgmel.features.loading import BUILT_IN_IMAGE, BUILT_IN_TEXT
from pgmel.settings import FeatureSettings, settings_from

__all__ = ["ENCODER", "IMAGE_ENCODER", "SUPPLY", "bundled_encoder", "load_encoders", "with_absolute_folders"]

ENCODER: Final = "encoder"
"""Subfolder of a bundle that holds its text encoder, where that was trained along with the model, or copied along."""

IMAGE_ENCODER: Final = "image-encoder"
"""Subfolder of a bundle that holds its image encoder, where it was copied along."""

SUPPLY: Final = "supply:"
"""Begins the name of an encoder that a published bundle does not hold: whoever uses the bundle has to say where it is."""

_NAMED: Final = ("text_encoder", "image_encoder")


def load_encoders(
    card: Mapping[str, Any],
    folder: Path,
    device: str = "cpu",
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    use_cache: bool = False,
) -> Encoders:
    """Load the encoders that a bundle's card names; a text encoder that was trained along lies in the bundle itself.

    Args:
        card: The bundle's card.
        folder: The bundle, for messages.
        device: Where they run.
        text_encoder: Where the text encoder is now, if not where the card says.
        image_encoder: Where the image encoder is now, if not where the card says.
        use_cache: Whether to keep what they compute on disk; a linker does not, since it may see any number of mentions, each once.

    Raises:
        BundleError: If the card does not say which encoders.
        EncoderError: If they cannot be had, or are others than those the bundle was made with.
        MissingExtraError: If an encoder's package is not installed.
    """
    named = _feature_settings(card, folder)
    text_name = text_encoder or str(bundled_encoder(card, folder) or named.text_encoder)
    image_name = image_encoder or str(bundled_encoder(card, folder, IMAGE_ENCODER) or named.image_encoder)
    _check_supplied(card, folder, {"text": text_name, "image": image_name})
    try:
        encoders = Encoders.load(
            text_encoder=text_name,
            image_encoder=image_name,
            revision=named.revision,
            pooling=named.pooling,
            max_tokens=named.max_tokens,
            lexical_dim=named.lexical_dim,
            batch_size=named.batch_size,
            # The run's own cache holds its vectors already; on another machine it may not be there.
            cache_dir=named.cache_dir if named.cache_dir is not None and named.cache_dir.is_dir() else None,
            device=device,
            use_cache=use_cache,
            image_sides=named.image_sides,
            image_parts=named.parts_weight > 0,
            image_layout=named.layout_weight > 0,
        )
    except EncoderError as error:
        cure = "If the encoder moved, say where it is with text_encoder or image_encoder (--text-encoder, --image-encoder)"
        raise EncoderError(f"the bundle {folder} needs the encoders it was made with: {error}. {cure}") from None
    differences = encoders.differences(card["encoders"]) if isinstance(card["encoders"], Mapping) else ["the card does not describe them"]
    if differences:
        listed = "\n".join(f"  - {difference}" for difference in differences)
        cure = "Restore the encoders, or build the bundle again with the present ones"
        raise EncoderError(f"the encoders are not those the bundle {folder} was made with:\n{listed}\n{cure}")
    return encoders


def bundled_encoder(card: Mapping[str, Any], folder: Path, subfolder: str = ENCODER) -> Path | None:
    """Return the folder of the encoder that a bundle holds, or None if it names one elsewhere.

    Args:
        card: The bundle's card.
        folder: The bundle.
        subfolder: ``ENCODER`` for the text encoder, ``IMAGE_ENCODER`` for the image encoder.

    Raises:
        BundleError: If it ought to hold one and does not.
    """
    if not any(str(name).startswith(f"{subfolder}/") for name in card.get("files") or ()):
        return None
    if not (folder / subfolder).is_dir():
        kind = "text" if subfolder == ENCODER else "image"
        raise BundleError(f"the bundle {folder} lacks its {kind} encoder, the folder {subfolder}; copy or build it again")
    return folder / subfolder


def with_absolute_folders(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which an encoder's folder is named by its absolute path, so that it is found from any working folder."""
    features = dict(settings.get("features", {}))
    for key in _NAMED:
        name = features.get(key)
        built_in = name in BUILT_IN_TEXT or name in BUILT_IN_IMAGE
        if isinstance(name, str) and not built_in and Path(name).expanduser().is_dir():
            features[key] = str(Path(name).expanduser().absolute())
    return {**settings, "features": features}


def _check_supplied(card: Mapping[str, Any], folder: Path, names: Mapping[str, str]) -> None:
    """Refuse names of encoders that a published bundle left to its user, and say which they are."""
    for kind, name in names.items():
        if name.startswith(SUPPLY):
            described = card["encoders"].get(kind) if isinstance(card["encoders"], Mapping) else None
            about = described if isinstance(described, Mapping) else {}
            identity = about.get("identity") or {}
            raise EncoderError(
                f"the bundle {folder} was published without its {kind} encoder {name.removeprefix(SUPPLY)!r} (vectors of "
                f"{about.get('dim')}, fingerprint {identity.get('fingerprint')}). Get that model, and say where it is with "
                f"{kind}_encoder (--{kind}-encoder FOLDER)"
            )


def _feature_settings(card: Mapping[str, Any], folder: Path) -> FeatureSettings:
    features = card["settings"].get("features") if isinstance(card["settings"], Mapping) else None
    if not isinstance(features, Mapping) or any(key not in features for key in _NAMED):
        raise BundleError(f"the card of the bundle {folder} does not name its encoders (settings.features); build the bundle again")
    known = {key: value for key, value in features.items() if key in FeatureSettings.model_fields}
    try:
        return settings_from({"features": known}).features
    except SettingError as error:
        raise BundleError(f"the card of the bundle {folder} is damaged: {error}") from None
