"""Models: the projection of encoded channels, the gated multimodal unit, the discriminator and the generator."""

from pgmel.models.adapters import LowRank, add_adapters, merge_adapters
from pgmel.models.batch import Modalities, take_rows
from pgmel.models.discriminator import Discriminator, DiscriminatorShape
from pgmel.models.embedder import Embedder, start_discriminator
from pgmel.models.fusion import FUSIONS, ConcatFusion, FusionShape, GatedMultimodalUnit, SumFusion
from pgmel.models.gates import GateSummary, summarise_gates
from pgmel.models.generator import Generator
from pgmel.models.projection import Projection, fit_projection
from pgmel.models.tower import Tower
from pgmel.models.unfreezing import let_learn

__all__ = [
    "FUSIONS",
    "ConcatFusion",
    "Discriminator",
    "DiscriminatorShape",
    "Embedder",
    "FusionShape",
    "GateSummary",
    "GatedMultimodalUnit",
    "Generator",
    "LowRank",
    "Modalities",
    "Projection",
    "SumFusion",
    "Tower",
    "add_adapters",
    "fit_projection",
    "let_learn",
    "merge_adapters",
    "start_discriminator",
    "summarise_gates",
    "take_rows",
]
