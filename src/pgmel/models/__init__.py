"""Models: the projection of encoded channels, the gated multimodal unit, the discriminator and the generator."""

from pgmel.models.batch import Modalities
from pgmel.models.discriminator import Discriminator, DiscriminatorShape
from pgmel.models.embedder import Embedder, start_discriminator
from pgmel.models.fusion import FUSIONS, ConcatFusion, FusionShape, GatedMultimodalUnit, SumFusion
from pgmel.models.generator import Generator
from pgmel.models.projection import Projection, fit_projection
from pgmel.models.tower import Tower

__all__ = [
    "FUSIONS",
    "ConcatFusion",
    "Discriminator",
    "DiscriminatorShape",
    "Embedder",
    "FusionShape",
    "GatedMultimodalUnit",
    "Generator",
    "Modalities",
    "Projection",
    "SumFusion",
    "Tower",
    "fit_projection",
    "start_discriminator",
]
