"""A text encoder in memory: tokenizer, transformer, pooling and dense layers, the same whether it is frozen or learns."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pgmel.errors import EncoderError
from pgmel.features.pooling import Recipe, pool_tokens
from pgmel.features.sources import ModelFolder, model_files
from pgmel.features.torch_models import load_model, load_tokenizer, loading, quiet, token_limit
from pgmel.files import read_json

__all__ = ["TextNetwork", "load_text_network"]

_WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".onnx", ".data")


@final
class TextNetwork(nn.Module):
    """Turns padded tokens into one vector per text; in evaluation mode (no dropout) until somebody changes that.

    Args:
        folder: Where it was loaded from.
        recipe: Pooling and what goes with it.
        tokenizer: The folder's tokenizer.
        transformer: The transformers model.
        dense: Layers after the pooling; may be empty.
        limit: Texts are cut after so many tokens.
        lacking: Names of the transformer's weights that the folder does not hold; nothing reads them.
    """

    def __init__(
        self, folder: ModelFolder, recipe: Recipe, tokenizer: Any, transformer: nn.Module, dense: nn.Module, limit: int, lacking: set[str]
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.dense = dense
        self.limit = limit
        self._folder = folder
        self._recipe = recipe
        self._tokenizer = tokenizer
        self._lacking = lacking
        self._lock = Lock()  # a fast tokenizer keeps its padding as state, and two threads would disturb each other

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.transformer.parameters()).device

    def tokenise(self, texts: Sequence[str]) -> dict[str, list[list[int]]]:
        """Return the tokenizer's outputs (``input_ids`` and what else it gives), unpadded: one list of whole numbers per text."""
        with self._lock:
            batch = self._tokenizer(self._prompted(texts), truncation=True, max_length=self.limit)
        return {name: list(rows) for name, rows in batch.items()}

    def pad(self, tokens: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, Tensor]:
        """Pad what :meth:`tokenise` gave to (texts, tokens) tensors, as the tokenizer pads."""
        return dict(self._tokenizer.pad(dict(tokens), return_tensors="pt"))

    def tokenise_and_pad(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Do both in one go."""
        with self._lock:
            return dict(self._tokenizer(self._prompted(texts), padding=True, truncation=True, max_length=self.limit, return_tensors="pt"))

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Return (texts, dim) vectors, not scaled, of padded tokens."""
        inputs = {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}
        tokens = self.transformer(**inputs).last_hidden_state
        vectors: Tensor = self.dense(pool_tokens(tokens, inputs["attention_mask"], self._recipe.pooling))
        return vectors

    def save(self, folder: Path) -> None:
        """Write the whole encoder, in the form of the folder that it was loaded from; weights as safetensors.

        Adapters must have been merged before. The folder must be there.
        """
        inner = folder / self._recipe.transformer
        state = {name: tensor for name, tensor in self.transformer.state_dict().items() if name not in self._lacking}
        with quiet():
            self.transformer.save_pretrained(inner, state_dict=state)  # type: ignore[operator]
        # The folder's own configuration again: transformers would write down the class it was loaded as.
        for name in model_files(self._folder):
            if not name.endswith(_WEIGHTS):
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self._folder.path / name, target)
        for name, layer in zip(self._recipe.dense, list(self.dense.children())[::2], strict=True):
            tensors = {f"linear.{key}": value.detach().cpu().contiguous() for key, value in layer.state_dict().items()}
            save_file(tensors, folder / name / "model.safetensors")

    def _prompted(self, texts: Sequence[str]) -> list[str]:
        prompt, lower = self._recipe.prompt, self._recipe.lowercase
        return [prompt + (text.lower() if lower else text) for text in texts]


def load_text_network(folder: ModelFolder, recipe: Recipe, max_tokens: int, device: str) -> TextNetwork:
    """Load a text encoder.

    Args:
        folder: The model.
        recipe: Pooling and what goes with it.
        max_tokens: Texts are cut after so many tokens; the model's own limit holds too.
        device: Where the model runs.

    Raises:
        EncoderError: If it cannot be loaded, or is no text model.
    """
    with loading(f"the text encoder {folder.name!r}", folder.path):
        from transformers import AutoModel, AutoModelForTextEncoding

        path = folder.path / recipe.transformer
        tokenizer = load_tokenizer(path)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        seq2seq = bool(folder.config.get("is_encoder_decoder"))
        transformer, lacking = load_model(AutoModelForTextEncoding if seq2seq else AutoModel, path, device)
        if transformer.main_input_name != "input_ids":
            raise EncoderError(f"features.text_encoder: {folder.name!r} holds a {type(transformer).__name__}, which is no text model")
        limit = token_limit(tokenizer, transformer.config, max_tokens, recipe.max_tokens)
        dense = _load_dense(folder.path, recipe.dense).to(transformer.device)
        return TextNetwork(folder, recipe, tokenizer, transformer, dense, limit, lacking).eval()


def _load_dense(folder: Path, names: Sequence[str]) -> nn.Module:
    """Load the dense layers that some sentence-transformers folders put behind the pooling."""
    layers = nn.Sequential()
    for name in names:
        config = read_json(folder / name / "config.json")
        activation = str(config.get("activation_function", "Identity")).rpartition(".")[2]
        if activation not in ("Identity", "Tanh"):
            raise EncoderError(f"{folder / name / 'config.json'} asks for the activation {activation}, which is not implemented")
        layer = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
        weights = load_file(folder / name / "model.safetensors")
        layer.load_state_dict({key.removeprefix("linear."): value.float() for key, value in weights.items()})
        layers.append(layer)
        layers.append(nn.Tanh() if activation == "Tanh" else nn.Identity())
    return layers.eval().requires_grad_(False)
