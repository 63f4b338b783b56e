"""How a text model's token vectors become one vector, as a sentence-transformers folder prescribes or as the user says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from pgmel.errors import DataError, EncoderError
from pgmel.files import read_json

if TYPE_CHECKING:
    import torch

__all__ = ["Recipe", "pool_tokens", "read_recipe"]

Pooling = Literal["mean", "cls"]

_LEGACY_MODES = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}


@final
@dataclass(frozen=True)
class Recipe:
    """How to get from a text to its vector.

    ``transformer`` is the subfolder of the transformer itself (usually the folder), ``dense`` the subfolders of dense layers applied after
    pooling, ``max_tokens`` the folder's own limit, ``prompt`` what is put before each text.
    """

    pooling: Pooling = "mean"
    transformer: str = ""
    dense: tuple[str, ...] = field(default=())
    max_tokens: int | None = None
    lowercase: bool = False
    prompt: str = ""


def read_recipe(folder: Path, pooling: Literal["auto", "mean", "cls"]) -> Recipe:
    """Read the recipe of a folder: its sentence-transformers files if there are any, else mean pooling.

    Args:
        folder: The model's folder.
        pooling: ``auto`` follows the folder; ``mean`` and ``cls`` overrule its pooling, and nothing else.

    Raises:
        EncoderError: If the folder asks for a step that is not implemented, or its files are damaged.
    """
    if not (folder / "modules.json").is_file():
        return Recipe(pooling="mean" if pooling == "auto" else pooling)
    transformer, dense, own = "", [], "mean"
    for module in _read(folder / "modules.json", list):
        kind, path = str(module.get("type", "")).rpartition(".")[2], str(module.get("path", ""))
        if kind == "Transformer":
            transformer = path
        elif kind == "Pooling":
            own = _own_pooling(folder / path / "config.json") if pooling == "auto" else pooling
        elif kind == "Dense":
            dense.append(path)
        elif kind == "CLIPModel":
            raise EncoderError(f"{folder} wraps a CLIP model for sentence-transformers; name the CLIP folder itself: {folder / path}")
        elif kind not in ("Normalize", "Dropout"):  # vectors are scaled to unit length anyway, and nothing is dropped outside training
            raise EncoderError(f"{folder / 'modules.json'} asks for the step {kind!r}, which is not implemented")
    limits = _read(folder / transformer / "sentence_bert_config.json", dict)
    prompts = _read(folder / "config_sentence_transformers.json", dict)
    prompt = (prompts.get("prompts") or {}).get(prompts.get("default_prompt_name") or "", "")
    return Recipe(
        pooling="cls" if own == "cls" else "mean",
        transformer=transformer,
        dense=tuple(dense),
        max_tokens=limits.get("max_seq_length"),
        lowercase=bool(limits.get("do_lower_case")),
        prompt=str(prompt),
    )


def pool_tokens(tokens: "torch.Tensor", mask: "torch.Tensor", pooling: Pooling) -> "torch.Tensor":
    """Pool (batch, tokens, dim) token vectors with their (batch, tokens) attention mask to (batch, dim).

    ``cls`` takes the first real token: on the left side of a batch there may be padding.
    """
    if pooling == "cls":
        return tokens[range(len(tokens)), mask.argmax(dim=1)]
    weights = mask.unsqueeze(-1).to(tokens.dtype)
    return (tokens * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _own_pooling(file: Path) -> str:
    config: Mapping[str, Any] = _read(file, dict)
    mode = config.get("pooling_mode")
    modes = [mode] if isinstance(mode, str) else list(mode or [])
    if not modes:
        modes = [key for key, value in config.items() if key.startswith("pooling_mode_") and value] or ["mean"]
        modes = [_LEGACY_MODES.get(key, key.removeprefix("pooling_mode_")) for key in modes]
    if modes[1:] or modes[0] not in ("mean", "cls"):
        raise EncoderError(f"{file} asks for the pooling {'+'.join(modes)}, which is not implemented; set features.pooling to mean or cls")
    return modes[0]


def _read(file: Path, kind: type) -> Any:
    if not file.is_file():
        return kind()
    try:
        value = read_json(file)
    except DataError as error:
        raise EncoderError(str(error)) from None
    if not isinstance(value, kind):
        raise EncoderError(f"{file} must hold a JSON {'list' if kind is list else 'object'}")
    return value
