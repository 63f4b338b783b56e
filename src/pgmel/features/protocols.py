"""What a text encoder and an image encoder must offer; the loaders, the fakes in ``pgmel.testing`` and users' own ones all do."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from PIL import Image

__all__ = ["ImageEncoder", "TextEncoder"]


class TextEncoder(Protocol):
    """Turns texts into vectors. Models are loaded when the first text is encoded, not before."""

    name: str
    """What the user asked for."""

    revision: str | None
    """Commit of a hub model, else None."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything a vector depends on besides the text, as JSON-like values: the cache's key. Needs no model in memory."""
        ...

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return (texts, dim) float32 vectors of at least one text, of any length; safe to call from several threads.

        Raises:
            EncoderError: If the model cannot be loaded.
        """
        ...


class ImageEncoder(Protocol):
    """Turns pictures into vectors, in two steps, so that pictures are prepared in threads while others are encoded."""

    name: str
    """What the user asked for."""

    revision: str | None
    """Commit of a hub model, else None."""

    target: int | None
    """Shortest side that is needed, in pixels: larger JPEGs are decoded at a lower resolution. None decodes them in full."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Everything a vector depends on besides the picture, as JSON-like values: the cache's key. Needs no model in memory."""
        ...

    def prepare(self, picture: Image.Image) -> Any:
        """Turn an RGB picture into the model's input; safe to call from several threads."""
        ...

    def encode(self, prepared: Sequence[Any]) -> np.ndarray:
        """Return (pictures, dim) float32 vectors of at least one prepared picture.

        Raises:
            EncoderError: If the model cannot be loaded.
        """
        ...
