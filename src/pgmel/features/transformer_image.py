"""Image vectors from any transformers vision model: ViT, DINOv2, Swin, ConvNeXt, ResNet and others."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
from PIL import Image

from pgmel.errors import DataError, EncoderError
from pgmel.features.lazy import Lazy
from pgmel.features.sources import ModelFolder
from pgmel.features.torch_models import load_model, loading
from pgmel.files import read_json

__all__ = ["TransformerImage", "load_processor", "preprocess", "stack", "target_side"]


@final
class TransformerImage:
    """Encodes pictures with a transformers vision model.

    The vector is the model's pooled output; where the folder has no weights for the pooling layer (which would then be random), it is the
    first token, or the mean over the map of a convolutional model.

    Args:
        folder: The model.
        fingerprint: Digest of the model's files.
        device: Where the model runs.
    """

    def __init__(self, folder: ModelFolder, fingerprint: str, device: str) -> None:
        self.name = folder.name
        self.revision = folder.commit
        self._folder = folder
        self._device = device
        self._model = Lazy(self._load)
        self._processor = Lazy(lambda: load_processor(self.name, folder.path))
        self.target = target_side(folder.path)
        self.identity = {"kind": "image", "fingerprint": fingerprint, "version": 1}

    def prepare(self, picture: Image.Image) -> dict[str, np.ndarray]:
        """Apply the model's own preprocessing."""
        return preprocess(self._processor(), picture)

    def encode(self, prepared: Sequence[dict[str, np.ndarray]]) -> np.ndarray:
        """Return (pictures, dim) float32 vectors."""
        import torch

        model, has_pooler = self._model()
        with torch.inference_mode():
            return np.concatenate([_vectors(model(**batch), has_pooler) for batch in stack(prepared, model.device)])

    def _load(self) -> tuple[Any, bool]:
        with loading(f"the image encoder {self.name!r}", self._folder.path):
            from transformers import AutoModel

            model, lacking = load_model(AutoModel, self._folder.path, self._device)
            if model.main_input_name != "pixel_values":
                raise EncoderError(f"features.image_encoder: {self.name!r} holds a {type(model).__name__}, which is no vision model")
            return model, not lacking


def load_processor(name: str, folder: Path) -> Any:
    """Load a folder's image processor with the backend that needs no torchvision.

    Raises:
        EncoderError: If the folder has none.
    """
    with loading(f"the image preprocessing of {name!r}", folder):
        from transformers import AutoImageProcessor

        auto: Any = AutoImageProcessor
        return auto.from_pretrained(folder, backend="pil", trust_remote_code=False)


def preprocess(processor: Any, picture: Image.Image) -> dict[str, np.ndarray]:
    """Run a processor on one RGB picture; every value has a first axis of length one."""
    return {key: np.asarray(value) for key, value in processor(images=picture, return_tensors="np").items()}


def stack(prepared: Sequence[Mapping[str, np.ndarray]], device: Any) -> Iterator[dict[str, Any]]:
    """Yield one batch of torch tensors, or one per picture where their shapes differ."""
    import torch

    equal = len({tuple(value.shape for value in item.values()) for item in prepared}) == 1
    for group in [prepared] if equal else [[item] for item in prepared]:
        yield {key: torch.from_numpy(np.concatenate([item[key] for item in group])).to(device) for key in group[0]}


def target_side(folder: Path) -> int | None:
    """Return the longest side that a folder's preprocessor file asks for, or None if it does not say."""
    try:
        config = read_json(folder / "preprocessor_config.json")
    except DataError:
        return None
    size = config.get("size") if isinstance(config, dict) else None
    sides = list(size.values()) if isinstance(size, dict) else [size]
    numbers = [side for side in sides if isinstance(side, int) and side > 0]
    return max(numbers) if numbers else None


def _vectors(output: Any, has_pooler: bool) -> np.ndarray:
    pooled = getattr(output, "pooler_output", None)
    if pooled is None or not has_pooler:
        hidden = output.last_hidden_state
        pooled = hidden.mean(dim=(2, 3)) if hidden.ndim == 4 else hidden[:, 0]
    return np.asarray(pooled.flatten(1).float().cpu().numpy())
