"""Which parameters of a text encoder learn."""

import re
from typing import Final

from torch import nn

from pgmel.errors import SettingError
from pgmel.models.adapters import add_adapters

__all__ = ["let_learn"]

_LAST = re.compile(r"last-([1-9]\d*)")
_UNREAD: Final = "pooler."
"""Beginning of weights that some models have and pooling by mean or first token does not read."""


def let_learn(
    transformer: nn.Module, after: nn.Module, mode: str, *, rank: int = 8, alpha: float = 16.0, seed: int = 0
) -> dict[str, nn.Parameter]:
    """Freeze an encoder but for what the mode names.

    Args:
        transformer: The transformers model.
        after: Layers behind its pooling; may be empty.
        mode: ``last-N`` (the last N layers, and those behind the pooling), ``lora`` (low-rank adapters on every linear map of every layer:
            attention and feed-forward) or ``full`` (everything, word embeddings included).
        rank: Rank of the adapters.
        alpha: Scale of the adapters.
        seed: Of the adapters.

    Returns:
        Name to parameter that learns, in a fixed order.

    Raises:
        SettingError: If the model has no such layers.
    """
    whole = nn.ModuleDict({"transformer": transformer, "after": after})
    whole.requires_grad_(False)
    found = _LAST.fullmatch(mode)
    if mode == "full":
        whole.requires_grad_(True)
        for name, parameter in transformer.named_parameters():
            parameter.requires_grad_(not name.startswith(_UNREAD))
    elif mode == "lora":
        linear = [module for layer in _layers(transformer) for module in layer.modules() if isinstance(module, nn.Linear)]
        if not linear:
            raise SettingError(f"features.train_encoder = lora: the layers of a {_kind(transformer)} have no linear maps; use full")
        add_adapters(linear, rank, alpha, seed)
    elif found:
        layers, count = _layers(transformer), int(found[1])
        if count > len(layers):
            raise SettingError(f"features.train_encoder = {mode}: the {_kind(transformer)} has only {len(layers)} layers")
        for module in (*layers[len(layers) - count :], after):
            module.requires_grad_(True)
    else:
        raise SettingError(f"features.train_encoder: nothing learns in the mode {mode!r}; use last-N (such as last-2), lora or full")
    return {name: parameter for name, parameter in whole.named_parameters() if parameter.requires_grad}


def _layers(transformer: nn.Module) -> list[nn.Module]:
    """Return the stack of equal layers: the longest list of modules that is not part of a layer itself."""
    stacks: list[tuple[str, nn.ModuleList]] = []
    for name, module in transformer.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer, _ in stacks)
        if isinstance(module, nn.ModuleList) and not inside:
            stacks.append((name, module))
    if not stacks:
        raise SettingError(f"features.train_encoder: a {_kind(transformer)} has no stack of layers to choose from; use full")
    return max((list(stack) for _, stack in stacks), key=len)


def _kind(module: nn.Module) -> str:
    return type(module).__name__
