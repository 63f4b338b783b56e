"""CLIP, SigLIP and their kin: a text tower and an image tower whose vectors lie in one space."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, final

import numpy as np
from PIL import Image

from pgmel.errors import EncoderError
from pgmel.features.lazy import Lazy
from pgmel.features.sources import ModelFolder
from pgmel.features.torch_models import load_model, load_tokenizer, loading, token_limit
from pgmel.features.transformer_image import load_processor, preprocess, stack, target_side

__all__ = ["DualModel", "ImageTower", "TextTower"]


@final
class DualModel:
    """The weights of both towers, loaded once for the two encoders that share them."""

    def __init__(self, folder: ModelFolder, fingerprint: str, device: str) -> None:
        self.folder = folder
        self.fingerprint = fingerprint
        self.device = device
        self.model = Lazy(self._load)

    def _load(self) -> Any:
        with loading(f"the model {self.folder.name!r}", self.folder.path):
            from transformers import AutoModel

            model, _ = load_model(AutoModel, self.folder.path, self.device, may_lack=())
            if not hasattr(model, "get_text_features") or not hasattr(model, "get_image_features"):
                raise EncoderError(f"{self.folder.path} holds a {type(model).__name__}, which has no text and image tower with one space")
            return model


@final
class TextTower:
    """Encodes texts with the text tower."""

    def __init__(self, dual: DualModel, max_tokens: int) -> None:
        self.name = dual.folder.name
        self.revision = dual.folder.commit
        self._dual = dual
        self._max_tokens = max_tokens
        self._tokenizer = Lazy(self._load_tokenizer)
        self._lock = Lock()
        self.identity = {"kind": "text-tower", "fingerprint": dual.fingerprint, "max_tokens": max_tokens, "version": 1}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (texts, dim) float32 vectors in the shared space."""
        import torch

        model, tokenizer = self._dual.model(), self._tokenizer()
        config = model.config.text_config
        limit = token_limit(tokenizer, config, self._max_tokens)
        siglip = str(config.model_type).startswith("siglip")
        with self._lock:
            inputs = tokenizer(list(texts), padding=not siglip, truncation=True, max_length=limit, return_tensors=None if siglip else "pt")
        if siglip:
            inputs = {"input_ids": _pad_fully(inputs["input_ids"], int(config.max_position_embeddings), tokenizer.pad_token_id)}
        with torch.inference_mode():
            output = model.get_text_features(**{key: value.to(model.device) for key, value in inputs.items()})
            return _pooled(output)

    def _load_tokenizer(self) -> Any:
        with loading(f"the tokenizer of {self.name!r}", self._dual.folder.path):
            return load_tokenizer(self._dual.folder.path)


@final
class ImageTower:
    """Encodes pictures with the image tower."""

    def __init__(self, dual: DualModel) -> None:
        self.name = dual.folder.name
        self.revision = dual.folder.commit
        self._dual = dual
        self._processor = Lazy(lambda: load_processor(self.name, Path(dual.folder.path)))
        self.target = target_side(dual.folder.path)
        self.identity = {"kind": "image-tower", "fingerprint": dual.fingerprint, "version": 1}

    def prepare(self, picture: Image.Image) -> dict[str, np.ndarray]:
        """Apply the model's own preprocessing."""
        return preprocess(self._processor(), picture)

    def encode(self, prepared: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        """Return (pictures, dim) float32 vectors in the shared space."""
        import torch

        model = self._dual.model()
        with torch.inference_mode():
            return np.concatenate([_pooled(model.get_image_features(**batch)) for batch in stack(prepared, model.device)])


def _pad_fully(rows: Sequence[Sequence[int]], length: int, padding: int) -> Any:
    """Pad token numbers to the model's full length: SigLIP reads its last position, and learned without a mask."""
    import torch

    ids = torch.full((len(rows), length), padding, dtype=torch.int64)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
    return ids


def _pooled(output: Any) -> np.ndarray:
    # transformers 5 returns an object, earlier versions the tensor itself
    return np.asarray(getattr(output, "pooler_output", output).float().cpu().numpy())
