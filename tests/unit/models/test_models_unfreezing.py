"""Which parameters of a text encoder learn, by mode, and that a gradient reaches those and no others."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import nn

from pgmel.errors import SettingError
from pgmel.models import let_learn


def make_bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=3, num_attention_heads=2, intermediate_size=16, max_position_embeddings=12
    )
    return BertModel(config).eval()


def make_distilbert() -> nn.Module:
    from transformers import DistilBertConfig, DistilBertModel

    return DistilBertModel(DistilBertConfig(vocab_size=20, dim=8, n_layers=3, n_heads=2, hidden_dim=16, max_position_embeddings=12)).eval()


def make_t5() -> nn.Module:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=16, num_layers=3, num_heads=2)).eval()


def layers_of(name: str) -> Callable[[str], int | None]:
    pattern = re.compile(name)

    def layer(parameter: str) -> int | None:
        found = pattern.search(parameter)
        return int(found[1]) if found else None

    return layer


MODELS = {
    "bert": (make_bert, layers_of(r"encoder\.layer\.(\d)\.")),
    "distilbert": (make_distilbert, layers_of(r"transformer\.layer\.(\d)\.")),
    "t5": (make_t5, layers_of(r"encoder\.block\.(\d)\.")),
}


def moved_by_a_step(transformer: nn.Module, after: nn.Module) -> set[str]:
    """Names of parameters that a gradient reaches."""
    vectors = transformer(input_ids=torch.randint(20, (3, 7))).last_hidden_state.mean(1)
    after(vectors).square().sum().backward()
    whole = nn.ModuleDict({"transformer": transformer, "after": after})
    return {name for name, parameter in whole.named_parameters() if parameter.grad is not None and parameter.grad.any()}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("count", [1, 2])
def test_last_n_reaches_the_last_layers_and_what_follows_the_pooling(model: str, count: int) -> None:
    make, layer_of = MODELS[model]
    transformer, after = make(), nn.Linear(8, 8)
    learning = let_learn(transformer, after, f"last-{count}")
    reached = moved_by_a_step(transformer, after)
    assert reached <= set(learning)
    assert {layer_of(name) for name in learning if not name.startswith("after.")} == set(range(3 - count, 3))
    assert {"after.weight", "after.bias"} <= reached
    assert {layer_of(name) for name in reached} >= set(range(3 - count, 3))


@pytest.mark.parametrize("model", MODELS)
def test_full_reaches_everything_but_the_pooler_that_nobody_reads(model: str) -> None:
    make, _ = MODELS[model]
    transformer = make()
    learning = let_learn(transformer, nn.Sequential(), "full")
    everything = {f"transformer.{name}" for name, _ in transformer.named_parameters()}
    assert everything - set(learning) == {name for name in everything if name.startswith("transformer.pooler.")}
    reached = moved_by_a_step(transformer, nn.Sequential())
    # A key's bias moves all logits of a softmax alike, and so none of the outcome.
    assert {name for name in set(learning) - reached if not re.search(r"(key|k_lin)\.bias", name)} == set()


@pytest.mark.parametrize("model", MODELS)
def test_lora_reaches_adapters_in_every_layer_and_nothing_else(model: str) -> None:
    make, layer_of = MODELS[model]
    transformer = make()
    linear = sum(isinstance(module, nn.Linear) for name, module in transformer.named_modules() if layer_of(f"{name}.") is not None)
    after = nn.Linear(8, 8)
    learning = let_learn(transformer, after, "lora", rank=2, alpha=4.0, seed=3)
    assert len(learning) == 2 * linear
    assert {layer_of(name) for name in learning} == {0, 1, 2}
    assert all(name.endswith(("parametrizations.weight.0.down", "parametrizations.weight.0.up")) for name in learning)
    reached = moved_by_a_step(transformer, after)
    assert reached == {name for name in learning if name.endswith("up")}, "down has no gradient as long as up is zero"


def test_what_learned_before_is_frozen_again() -> None:
    transformer = make_bert()
    let_learn(transformer, nn.Sequential(), "full")
    assert set(let_learn(transformer, nn.Sequential(), "last-1")) == {
        f"transformer.{name}" for name, parameter in transformer.named_parameters() if parameter.requires_grad
    }
    assert not transformer.embeddings.word_embeddings.weight.requires_grad


@pytest.mark.parametrize(
    ("mode", "message"),
    [("last-4", "a? ?BertModel has only 3 layers"), ("none", "nothing learns in the mode 'none'"), ("last-0", "last-N")],
)
def test_a_mode_that_does_not_fit_is_refused(mode: str, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        let_learn(make_bert(), nn.Sequential(), mode)


def test_a_model_without_layers_is_refused() -> None:
    with pytest.raises(SettingError, match="Linear has no stack of layers"):
        let_learn(nn.Linear(2, 2), nn.Sequential(), "lora")


def test_layers_without_linear_maps_cannot_have_adapters() -> None:
    with pytest.raises(SettingError, match="no linear maps; use full"):
        let_learn(nn.ModuleDict({"layers": nn.ModuleList([nn.Conv1d(2, 2, 1)])}), nn.Sequential(), "lora")
