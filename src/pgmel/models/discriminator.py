"""The discriminator: two towers into one space, where the dot product is the score."""

from typing import TypedDict, final

from jaxtyping import Float
from torch import Tensor, nn

from pgmel.models.batch import Modalities
from pgmel.models.tower import Tower

__all__ = ["Discriminator", "DiscriminatorShape"]


class DiscriminatorShape(TypedDict):
    """What is needed to build a discriminator; plain values, kept beside the weights."""

    dim_text: int
    dim_image: int
    dim: int
    image_dim: int
    text_share: float
    fusion: str
    hidden: int
    activation: str
    dropout: float


@final
class Discriminator(nn.Module):
    """Embed mentions and entities; the score of a pair is the dot product of their unit vectors, -1 to 1, larger is nearer.

    Source: PGMEL, arXiv 2510.02726: a shared space learned from gated text and image by metric learning. Its projections and sizes
    are not fixed by what was at hand; they are ours.
    """

    def __init__(self, shape: DiscriminatorShape) -> None:
        super().__init__()
        self.shape = shape
        self.mention = Tower(**shape, side=0)
        self.entity = Tower(**shape, side=1)

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self.shape["dim"]

    def embed_mentions(self, mentions: Modalities) -> Float[Tensor, "*rows dim"]:
        """Embed mentions."""
        vectors: Tensor = self.mention(mentions)
        return vectors

    def embed_entities(self, entities: Modalities) -> Float[Tensor, "*rows dim"]:
        """Embed entities."""
        vectors: Tensor = self.entity(entities)
        return vectors

    def reset(self, std: float = 0.02) -> None:
        """Forget the warm start: draw every projection at random (the global stream decides; seed it)."""
        for name, parameter in self.named_parameters():
            if name.endswith("weight") and parameter.numel():
                nn.init.normal_(parameter, std=std)
