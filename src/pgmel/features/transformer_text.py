"""Text vectors from any transformers text model: BERT and its kin, sentence-transformers folders included."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, final

import numpy as np

from pgmel.errors import EncoderError
from pgmel.features.lazy import Lazy
from pgmel.features.pooling import Recipe, pool_tokens
from pgmel.features.sources import ModelFolder
from pgmel.features.torch_models import load_model, load_tokenizer, loading

__all__ = ["TransformerText", "token_limit"]

# These count positions from the padding token's number on, so that two of their positions are never used.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "xmod", "longformer", "roberta-prelayernorm")


@dataclass(frozen=True)
class _Loaded:
    tokenizer: Any
    model: Any
    dense: Any
    limit: int


@final
class TransformerText:
    """Encodes texts with a transformers model and pools its token vectors.

    Args:
        folder: The model.
        fingerprint: Digest of the model's files.
        recipe: Pooling and what goes with it.
        max_tokens: Texts are cut after so many tokens; the model's own limit holds too.
        device: Where the model runs.
    """

    def __init__(self, folder: ModelFolder, fingerprint: str, recipe: Recipe, max_tokens: int, device: str) -> None:
        self.name = folder.name
        self.revision = folder.commit
        self._folder = folder
        self._recipe = recipe
        self._max_tokens = max_tokens
        self._device = device
        self._loaded = Lazy(self._load)
        self._lock = Lock()  # a fast tokenizer keeps its padding as state, and two threads would disturb each other
        self.identity = {"kind": "text", "fingerprint": fingerprint, "pooling": recipe.pooling, "max_tokens": max_tokens, "version": 1}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (texts, dim) float32 vectors."""
        import torch

        loaded = self._loaded()
        prompt, lower = self._recipe.prompt, self._recipe.lowercase
        inputs = [prompt + (text.lower() if lower else text) for text in texts]
        with self._lock:
            batch = loaded.tokenizer(inputs, padding=True, truncation=True, max_length=loaded.limit, return_tensors="pt")
        batch = batch.to(loaded.model.device)
        with torch.inference_mode():
            tokens = loaded.model(**batch).last_hidden_state
            pooled = loaded.dense(pool_tokens(tokens, batch["attention_mask"], self._recipe.pooling))
            return np.asarray(pooled.float().cpu().numpy())

    def _load(self) -> _Loaded:
        with loading(f"the text encoder {self.name!r}", self._folder.path):
            from transformers import AutoModel, AutoModelForTextEncoding

            path = self._folder.path / self._recipe.transformer
            tokenizer = load_tokenizer(path)
            if tokenizer.pad_token is None:
                tokenizer.pad_token = tokenizer.eos_token
            seq2seq = bool(self._folder.config.get("is_encoder_decoder"))
            model, _ = load_model(AutoModelForTextEncoding if seq2seq else AutoModel, path, self._device)
            if model.main_input_name != "input_ids":
                raise EncoderError(f"features.text_encoder: {self.name!r} holds a {type(model).__name__}, which is no text model")
            limit = token_limit(tokenizer, model.config, self._max_tokens, self._recipe.max_tokens)
            return _Loaded(tokenizer, model, _load_dense(self._folder.path, self._recipe.dense, model.device), limit)


def token_limit(tokenizer: Any, config: Any, *limits: int | None) -> int:
    """Return the strictest of the given limits, the tokenizer's and the model's own."""
    known = [limit for limit in (*limits, tokenizer.model_max_length) if limit]
    if positions := getattr(config, "max_position_embeddings", None):
        offset = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
        known.append(positions - offset)
    return int(min(known))


def _load_dense(folder: Path, names: Sequence[str], device: Any) -> Any:
    """Load the dense layers that some sentence-transformers folders put behind the pooling."""
    import torch
    from safetensors.torch import load_file

    from pgmel.files import read_json

    layers = torch.nn.Sequential()
    for name in names:
        config = read_json(folder / name / "config.json")
        activation = str(config.get("activation_function", "Identity")).rpartition(".")[2]
        if activation not in ("Identity", "Tanh"):
            raise EncoderError(f"{folder / name / 'config.json'} asks for the activation {activation}, which is not implemented")
        layer = torch.nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        weights = load_file(folder / name / "model.safetensors")
        layer.load_state_dict({key.removeprefix("linear."): value.float() for key, value in weights.items()})
        layers.append(layer)
        layers.append(torch.nn.Tanh() if activation == "Tanh" else torch.nn.Identity())
    return layers.eval().requires_grad_(False).to(device)
