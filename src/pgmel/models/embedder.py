"""Projection and discriminator together: features in, vectors of the shared space out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from jaxtyping import Bool, Float32
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pgmel.errors import BundleError, SettingError
from pgmel.features import Features
from pgmel.files import read_json, write_bytes, write_json
from pgmel.models.batch import Modalities
from pgmel.models.discriminator import Discriminator, DiscriminatorShape
from pgmel.models.projection import Projection

__all__ = ["Embedder", "start_discriminator"]

FORMAT = 2
CHUNK = 8192


def start_discriminator(
    projection: Projection,
    *,
    dim: int,
    image_dim: int | None,
    fusion: str = "gmu",
    hidden: int = 0,
    activation: str = "none",
    dropout: float = 0.0,
    start: str = "warm",
    seed: int = 0,
) -> Discriminator:
    """Build the untrained discriminator for a projection.

    Args:
        projection: What comes before it.
        dim: Length of the vectors; fewer are used where the inputs have fewer dimensions.
        image_dim: Dimensions of the image's block; None shares them out in proportion to the inputs' widths.
        fusion: Name in ``FUSIONS``.
        hidden: Width of each projection's hidden layer, 0 for none; its inner weights are drawn from the seed.
        activation: ``"none"`` or ``"tanh"``.
        dropout: Share of input features dropped in training.
        start: ``"warm"`` (the zero-shot similarity) or ``"random"``.
        seed: Of the hidden layers and the random start.

    Raises:
        SettingError: If ``dim`` leaves no room for both modalities beside the two pad coordinates.
    """
    text, image = projection.dim_text, projection.dim_image
    if text and image and dim < 4:
        raise SettingError(f"model.dim must be >= 4 where text and pictures are used (two coordinates are pads), got {dim}")
    inner = dim - 2 if text and image else dim
    inner = min(inner, text + image)
    if not image:
        block = 0
    elif not text:
        block = inner
    else:
        asked = image_dim if image_dim is not None else round(inner * image / (text + image))
        block = max(min(asked, image, inner - 1), inner - text, 1)
    total = inner + 2 if text and image else inner
    shape = DiscriminatorShape(
        dim_text=text,
        dim_image=image,
        dim=total,
        image_dim=block,
        text_share=projection.text_share,
        fusion=fusion,
        hidden=hidden,
        activation=activation,
        dropout=dropout,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        discriminator = Discriminator(shape)
        if start == "random":
            discriminator.reset()
    return discriminator


@final
class Embedder:
    """Embed features of mentions and entities into the shared space.

    Args:
        projection: Fixed projection of the encoders' channels.
        discriminator: The trained, or untrained, towers.
        device: Where the towers run.
    """

    def __init__(self, projection: Projection, discriminator: Discriminator, device: str = "cpu") -> None:
        self.projection = projection
        self.discriminator = discriminator.to(device).eval()
        self.device = device

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.discriminator.dim

    def embed_mentions(self, features: Features) -> Float32[np.ndarray, "rows dim"]:
        """Return one unit vector per mention."""
        return self._embed(features, self.discriminator.embed_mentions)

    def embed_entities(self, features: Features) -> Float32[np.ndarray, "rows dim"]:
        """Return one unit vector per entity."""
        return self._embed(features, self.discriminator.embed_entities)

    def reads(self, features: Features) -> Bool[np.ndarray, "rows"]:
        """Return True for rows that have anything that the model reads; of the others all entities are equally near."""
        return self.projection.reads(features)

    def _embed(self, features: Features, tower: Any) -> Float32[np.ndarray, "rows dim"]:
        vectors = np.zeros((len(features), self.dim), np.float32)
        self.discriminator.eval()
        with torch.inference_mode():
            for part, chunk in _chunks(features):
                inputs: Modalities = self.projection(chunk).to(self.device)
                vectors[part] = tower(inputs).float().cpu().numpy()
        return vectors

    def save(self, folder: Path) -> None:
        """Write ``model.safetensors`` and ``model.json`` into a folder."""
        tensors = {f"projection.{name}": tensor for name, tensor in self.projection.tensors().items()}
        tensors |= {f"discriminator.{name}": tensor.cpu().contiguous() for name, tensor in self.discriminator.state_dict().items()}
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "model.safetensors", save(tensors))
        write_json(
            folder / "model.json",
            {
                "format": FORMAT,
                "shape": dict(self.discriminator.shape),
                "text_share": self.projection.text_share,
                "variance_kept": self.projection.variance_kept,
            },
        )

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> "Embedder":
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: If a file is missing, damaged or of another format.
        """
        try:
            about = read_json(folder / "model.json")
            if about.get("format") != FORMAT:
                raise BundleError(f"{folder / 'model.json'} has format {about.get('format')!r}, this version reads {FORMAT}; train again")
            tensors = load_file(folder / "model.safetensors")
            parts: dict[str, dict[str, torch.Tensor]] = {"projection": {}, "discriminator": {}}
            for name, tensor in tensors.items():
                part, _, rest = name.partition(".")
                parts[part][rest] = tensor
            projection = Projection.from_tensors(parts["projection"], about["text_share"], about["variance_kept"])
            discriminator = Discriminator(cast("DiscriminatorShape", about["shape"]))
            discriminator.load_state_dict(parts["discriminator"])
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise BundleError(f"the model in {folder} is missing or damaged ({error}); copy or train it again") from None
        return cls(projection, discriminator, device)


def _chunks(features: Features) -> Iterator[tuple[slice, Features]]:
    for start in range(0, len(features), CHUNK):
        part = slice(start, min(start + CHUNK, len(features)))
        yield part, features.take(np.arange(part.start, part.stop))
