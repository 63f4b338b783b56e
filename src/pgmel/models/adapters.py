"""Low-rank adapters: a large matrix stays as it is, and the product of two thin ones, which learn, is added to it."""

from collections.abc import Iterable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

__all__ = ["LowRank", "add_adapters", "merge_adapters"]


@final
class LowRank(nn.Module):
    """The update ``W + (alpha / rank) up down`` of a weight matrix; ``up`` starts at zero, so that the start is ``W``.

    Written as a parametrisation of the weight: a merged matrix is the very one that training computed with, so merging changes no output.

    Args:
        rows: Outputs of the layer.
        columns: Inputs of the layer.
        rank: Rows of ``down``.
        alpha: The update is multiplied by ``alpha / rank``.

    Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", without its dropout.
    """

    def __init__(self, rows: int, columns: int, rank: int, alpha: float) -> None:
        super().__init__()
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.normal_(self.down, std=columns**-0.5)

    def forward(self, weight: Float[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
        """Return the updated matrix."""
        return weight + self.scale * (self.up @ self.down)


def add_adapters(layers: Iterable[nn.Linear], rank: int, alpha: float, seed: int) -> None:
    """Give linear layers adapters, and let nothing of the layers learn but those.

    Args:
        layers: Of one device.
        rank: Rank of the updates, at least 1.
        alpha: Scale of the updates.
        seed: Of the inner matrices.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in layers:
            layer.requires_grad_(False)
            adapter = LowRank(layer.out_features, layer.in_features, rank, alpha).to(layer.weight.device)
            parametrize.register_parametrization(layer, "weight", adapter)


def merge_adapters(network: nn.Module) -> None:
    """Replace every adapted matrix by its updated value; no adapter is left."""
    for layer in list(network.modules()):
        if isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
            layer.weight.requires_grad_(False)
