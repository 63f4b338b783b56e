"""The form of a bundle that can be given to others: with a model card, without pickles, pictures and paths of this machine.

It is a bundle still: all that reads bundles reads it. What is taken out: paths of pictures in the KB, folders in the card (data, cache,
encoders). A text or image encoder that was a folder here is either copied along or has to be supplied by whoever uses the bundle.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final, final

from pgmel.errors import BundleError
from pgmel.features.loading import BUILT_IN_IMAGE, BUILT_IN_TEXT
from pgmel.features.sources import model_files, resolve_model
from pgmel.files import atomic_folder, encode_json
from pgmel.kb import copy_without_pictures
from pgmel.linking.bundle import CARD, KB_FILE, check_replaceable, describe_file, read_card
from pgmel.linking.checking import check_bundle
from pgmel.linking.encoders import ENCODER, IMAGE_ENCODER, SUPPLY
from pgmel.linking.model_card import ModelCardOptions, render_model_card
from pgmel.linking.pickles import find_pickles

__all__ = ["README", "PublishOptions", "clean_card", "save_pretrained"]

README: Final = "README.md"
"""The model card, as the hub calls it."""

_FOLDERS: Final = {"text_encoder": ENCODER, "image_encoder": IMAGE_ENCODER}
_BUILT_IN: Final = {*BUILT_IN_TEXT, *BUILT_IN_IMAGE}


@final
@dataclass(frozen=True)
class PublishOptions:
    """What the publisher decides.

    Attributes:
        license: Identifier of the licence as the hub knows it; None: the card says that none was named.
        language: Codes of the languages of names and texts.
        name: Title of the model card; by default the name of the data.
        repo: Name of the repository on the hub, for the example in the model card.
        include_encoders: Whether encoders that are folders here are copied along; else their users have to supply them.
    """

    license: str | None = None
    language: Sequence[str] = ()
    name: str | None = None
    repo: str | None = None
    include_encoders: bool = False


def save_pretrained(bundle: Path, folder: Path, options: PublishOptions | None = None) -> None:
    """Write the form of a bundle that can be given to others, atomically.

    Args:
        bundle: The bundle.
        folder: Where; absent, empty, or an older bundle, which is replaced.
        options: What the publisher decides.

    Raises:
        BundleError: If the bundle is missing or damaged, holds a pickle, or ``folder`` holds something else or cannot be written.
        EncoderError: If an encoder that is to be copied is not there.
    """
    options = options or PublishOptions()
    card = read_card(bundle)
    check_replaceable(folder)
    if faults := check_bundle(bundle):
        raise BundleError("it is not published, because it is damaged:\n" + "\n".join(f"  - {fault}" for fault in faults))
    encoders = _encoder_folders(card) if options.include_encoders else {}
    try:
        with atomic_folder(folder) as part:
            _copy_files(bundle, part, card["files"])
            for setting, source in encoders.items():
                _copy_encoder(setting, source, part / _FOLDERS[setting])
            names = sorted(path.relative_to(part).as_posix() for path in part.rglob("*") if path.is_file())
            if pickles := find_pickles(part / name for name in names):
                listed = ", ".join(str(path.relative_to(part)) for path in pickles)
                raise BundleError(f"{listed} of {bundle} would be published as pickles, which run code when read; convert to safetensors")
            cleaned = clean_card(card, bundled=encoders) | {"files": {name: describe_file(part / name) for name in names}}
            (part / CARD).write_bytes(encode_json(cleaned))
            about = ModelCardOptions(options.name or str(_name(cleaned)), options.license, tuple(options.language), options.repo)
            (part / README).write_text(render_model_card(cleaned, about), encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{folder} cannot be written: {error}") from None


def clean_card(card: Mapping[str, Any], bundled: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return a bundle's card without any path of this machine.

    Args:
        card: The card.
        bundled: Settings of encoders (``text_encoder``, ``image_encoder``) that are copied along.
    """
    cleaned: dict[str, Any] = _without_paths(card)
    settings = dict(cleaned["settings"])
    for group, key in (("data", "path"), ("features", "cache_dir")):
        if settings.get(group, {}).get(key) is not None:
            settings[group] = {**settings[group], key: None}
    features = dict(settings.get("features", {}))
    for key in _FOLDERS:
        name = card["settings"].get("features", {}).get(key)
        if isinstance(name, str) and _is_folder(name):
            features[key] = PurePosixPath(_base(name)).name if key in (bundled or {}) else SUPPLY + _base(name)
    settings["features"] = features
    # The settings of a result are those of the card, with paths that were relative to folders of this machine.
    return {**cleaned, "settings": settings, "scores": _without_settings(cleaned["scores"])}


def _name(card: Mapping[str, Any]) -> object:
    return card["data"].get("name") if isinstance(card["data"], Mapping) else "pgmel bundle"


def _copy_files(bundle: Path, part: Path, names: Sequence[str] | Mapping[str, Any]) -> None:
    """Copy the files that the card knows, and no others: neither pictures nor what somebody left in the folder."""
    for name in names:
        target = part / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == KB_FILE:
            copy_without_pictures(bundle / name, target)
        else:
            shutil.copyfile(bundle / name, target)


def _encoder_folders(card: Mapping[str, Any]) -> dict[str, Path]:
    """Return setting to folder of the encoders that are folders here and not in the bundle yet."""
    features = card["settings"].get("features", {})
    named = {key: features.get(key) for key in _FOLDERS}
    inside = {key for key, folder in _FOLDERS.items() if any(str(name).startswith(f"{folder}/") for name in card["files"])}
    return {key: Path(name).expanduser() for key, name in named.items() if isinstance(name, str) and _is_folder(name) and key not in inside}


def _copy_encoder(setting: str, source: Path, target: Path) -> None:
    """Copy the files that decide an encoder's vectors, so that its fingerprint stays."""
    found = resolve_model(str(source), None, f"features.{setting}")
    names = model_files(found)
    if pickles := find_pickles(found.path / name for name in names):
        listed = ", ".join(path.name for path in pickles)
        raise BundleError(f"the encoder {source} cannot be copied along: {listed} is a pickle; save it as safetensors, or leave it out")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.path / name, target / name)


def _is_folder(name: str) -> bool:
    """Whether an encoder's name is a folder of some machine, rather than built in, a hub name, or one that is to be supplied."""
    if name in _BUILT_IN or name.startswith(SUPPLY):
        return False
    return _is_local(name) or name.count("/") > 1 or "\\" in name or Path(name).is_dir()


def _without_paths(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_paths(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_paths(inner) for inner in value]
    return _base(value) if isinstance(value, str) and _is_local(value) else value


def _without_settings(value: Any) -> Any:
    """Empty the settings of results, and of results within results."""
    if isinstance(value, Mapping):
        return {key: {} if key == "settings" else _without_settings(inner) for key, inner in value.items()}
    return value


def _is_local(text: str) -> bool:
    """Whether a text is a path that means something on one machine only."""
    return text.startswith(("/", "~", "./", "../", "file:", "\\\\")) or PureWindowsPath(text).is_absolute()


def _base(path: str) -> str:
    return PureWindowsPath(path).name if PureWindowsPath(path).is_absolute() or "\\" in path else PurePosixPath(path).name
