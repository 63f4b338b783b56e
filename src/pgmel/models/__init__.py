"""Models: the projection of encoded channels, the gated multimodal unit, the discriminator and the generator."""

from pgmel.models.adapters import LowRank, add_adapters, merge_adapters
from pgmel.models.attribution import ChannelShares, attribute_channels, coalitions, shapley_values
from pgmel.models.batch import Modalities, take_rows
from pgmel.models.discriminator import Discriminator, DiscriminatorShape
from pgmel.models.embedder import Embedder, start_discriminator
from pgmel.models.fusion import FUSIONS, ConcatFusion, FusionShape, GatedMultimodalUnit, SumFusion
from pgmel.models.gates import GateSummary, mean_gates, summarise_gates
from pgmel.models.generator import Generator
from pgmel.models.projection import IMAGE_CHANNELS, Contributions, Projection, fit_projection
from pgmel.models.tower import Tower
from pgmel.models.unfreezing import let_learn

__all__ = [
    "FUSIONS",
    "IMAGE_CHANNELS",
    "ChannelShares",
    "ConcatFusion",
    "Contributions",
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
    "attribute_channels",
    "coalitions",
    "fit_projection",
    "let_learn",
    "mean_gates",
    "merge_adapters",
    "shapley_values",
    "start_discriminator",
    "summarise_gates",
    "take_rows",
]
