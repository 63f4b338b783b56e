"""Low-rank adapters: they start at nothing, learn in two thin matrices, and merge without a trace."""

import copy

import pytest
import torch
from torch import nn

from pgmel.models import LowRank, add_adapters, merge_adapters


def make_layers(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4))


def adapt(network: nn.Module, seed: int = 0, rank: int = 2, alpha: float = 3.0) -> None:
    add_adapters([module for module in network.modules() if isinstance(module, nn.Linear)], rank, alpha, seed)


def shake(network: nn.Module) -> None:
    """Give every adapter an update."""
    torch.manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, LowRank):
                module.up.normal_()


def test_a_fresh_adapter_changes_nothing() -> None:
    network, rows = make_layers(), torch.randn(3, 6)
    before = network(rows)
    adapt(network)
    assert torch.equal(network(rows), before)


def test_the_update_is_the_scaled_product() -> None:
    weight, adapter = torch.randn(5, 6), LowRank(5, 6, rank=2, alpha=3.0)
    nn.init.normal_(adapter.up)
    up, down = adapter.up.tolist(), adapter.down.tolist()
    slow = [[float(weight[i, j]) + 1.5 * sum(up[i][k] * down[k][j] for k in range(2)) for j in range(6)] for i in range(5)]
    torch.testing.assert_close(adapter(weight), torch.tensor(slow))


def test_merged_equals_unmerged_to_the_bit() -> None:
    network, rows = make_layers(), torch.randn(3, 6)
    plain = copy.deepcopy(network)
    adapt(network)
    shake(network)
    adapted = network(rows)
    assert not torch.allclose(adapted, plain(rows))
    merge_adapters(network)
    assert torch.equal(network(rows), adapted)


def test_merging_leaves_plain_layers_of_the_old_names() -> None:
    network = make_layers()
    plain = set(network.state_dict())
    adapt(network)
    merge_adapters(network)
    assert set(network.state_dict()) == plain
    assert [type(module) for module in network] == [nn.Linear, nn.Tanh, nn.Linear]
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_only_adapters_learn() -> None:
    network = make_layers()
    adapt(network)
    learning = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    assert learning == [f"{layer}.parametrizations.weight.0.{part}" for layer in (0, 2) for part in ("down", "up")]
    network(torch.randn(3, 6)).sum().backward()
    assert network[2].parametrizations.weight[0].up.grad.any()
    assert network[2].parametrizations.weight.original.grad is None


@pytest.mark.parametrize("other", [0, 1])
def test_the_seed_alone_decides_the_inner_matrices(other: int) -> None:
    torch.manual_seed(5)
    first, second = make_layers(), make_layers()
    state = torch.get_rng_state()
    adapt(first, seed=0)
    assert torch.equal(torch.get_rng_state(), state), "the global stream was drawn from"
    adapt(second, seed=other)
    same = torch.equal(first[0].parametrizations.weight[0].down, second[0].parametrizations.weight[0].down)
    assert same == (other == 0)
