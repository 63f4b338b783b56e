"""Gates of a model, averaged by row and block, against slow loops."""

import numpy as np
import pytest
import torch
from model_features import make_features

from pgmel.models import Embedder, fit_projection, start_discriminator, summarise_gates
from pgmel.models import gates as gates_module

WEIGHTS = {"name": 1.0, "context": 1.0, "lexical": 0.5, "image": 1.0}


def make_embedder(fusion: str = "gmu", channels: str = "name context lexical image", seed: int | None = 3) -> Embedder:
    """Build a model; with a seed its gates are drawn at random."""
    features = make_features(channels=channels)
    projection = fit_projection([features], WEIGHTS, dim_text=10, dim_image=6, lexical_rank=8, whitening=0.5, seed=0)
    embedder = Embedder(projection, start_discriminator(projection, dim=14, image_dim=4, fusion=fusion))
    if seed is not None:
        dice = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in embedder.discriminator.named_parameters():
                if "gate" in name:
                    parameter.copy_(torch.randn(parameter.shape, generator=dice))
    return embedder


@pytest.mark.parametrize("side", ["mention", "entity"])
@pytest.mark.parametrize("chunk", [3, 8192])
def test_means_are_those_of_a_slow_loop(side: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates_module, "_CHUNK", chunk)
    embedder, features = make_embedder(), make_features(17, seed=1)
    inputs = embedder.projection(features)
    tower = embedder.discriminator.mention if side == "mention" else embedder.discriminator.entity
    weight, bias = tower.fusion.gate_weight.detach().numpy(), tower.fusion.gate_bias.detach().numpy()
    expected = []
    for row in range(17):
        if inputs.has_text[row] and inputs.has_image[row]:
            x = np.concatenate([inputs.text[row].numpy(), inputs.image[row].numpy()])
            gate = [1 / (1 + np.exp(-(weight[one] @ x + bias[one]))) for one in range(12)]
            expected.append((np.mean(gate), np.mean(gate[:8]), np.mean(gate[8:])))
    found = summarise_gates(embedder, features, side)
    assert found is not None
    assert (found.dim_text, found.dim_image) == (8, 4)
    assert 0 < len(expected) < 17
    np.testing.assert_allclose(np.stack([found.means, found.text_block, found.image_block], axis=1), expected, rtol=1e-5)


def test_rows_that_lack_a_modality_are_counted_not_averaged() -> None:
    found = summarise_gates(make_embedder(seed=None), make_features(20), "mention")
    assert found is not None
    numbers = np.arange(20) % 5
    assert len(found.means) == (numbers < 2).sum()
    assert found.num_text_only == ((numbers == 2) | (numbers == 4)).sum()
    assert found.num_image_only == 0
    assert (found.means == 0.5).all()


def test_the_two_sides_have_gates_of_their_own() -> None:
    embedder, features = make_embedder(), make_features()
    mention, entity = (summarise_gates(embedder, features, side) for side in ("mention", "entity"))
    assert mention is not None
    assert entity is not None
    assert not np.allclose(mention.means, entity.means)


def test_no_rows_give_empty_means() -> None:
    found = summarise_gates(make_embedder(), make_features().take([]), "entity")
    assert found is not None
    assert found.means.shape == (0,)


@pytest.mark.parametrize(
    ("fusion", "channels"), [("sum", "name image"), ("concat", "name image"), ("gmu", "name context"), ("gmu", "image")]
)
def test_a_model_without_gates_has_none(fusion: str, channels: str) -> None:
    embedder = make_embedder(fusion, channels, seed=None)
    assert summarise_gates(embedder, make_features(channels=channels), "mention") is None
