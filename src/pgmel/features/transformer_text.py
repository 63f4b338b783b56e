"""Text vectors from any transformers text model: BERT and its kin, sentence-transformers folders included."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, final

import numpy as np

from pgmel.features.lazy import Lazy
from pgmel.features.pooling import Recipe
from pgmel.features.sources import ModelFolder

if TYPE_CHECKING:
    from pgmel.features.text_network import TextNetwork

__all__ = ["TransformerText"]


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
        self._network = Lazy(self.open_network)
        self.identity = {"kind": "text", "fingerprint": fingerprint, "pooling": recipe.pooling, "max_tokens": max_tokens, "version": 1}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (texts, dim) float32 vectors."""
        import torch

        network = self._network()
        with torch.inference_mode():
            return np.asarray(network(network.tokenise_and_pad(texts)).float().cpu().numpy())

    def open_network(self) -> "TextNetwork":
        """Load the network anew: a copy that may learn, while this encoder goes on giving the vectors that its identity stands for.

        Raises:
            EncoderError: If it cannot be loaded.
        """
        from pgmel.features.text_network import load_text_network

        return load_text_network(self._folder, self._recipe, self._max_tokens, self._device)
