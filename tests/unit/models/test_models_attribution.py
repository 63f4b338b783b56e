"""Scores shared out over a mention's channels: against slow loops, and the properties that make shares fair."""

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_features import make_features, unit
from scipy import sparse

from pgmel.features import NUM_PARTS, Features
from pgmel.models import Embedder, attribute_channels, coalitions, fit_projection, mean_gates, shapley_values, start_discriminator

WEIGHTS = {"name": 1.0, "context": 1.5, "lexical": 0.5, "image": 1.0, "image_parts": 0.5, "image_layout": 0.5}
CHANNELS = "name context lexical image"


def with_views(features: Features, seed: int) -> Features:
    """Add the parts and the layout of the pictures."""
    rng = np.random.default_rng(seed)
    shown = features.present["image"]
    views = {"image_parts": 4 * NUM_PARTS, "image_layout": 6}
    more = {name: (rng.normal(size=(len(features), width)) * shown[:, None]).astype(np.float16) for name, width in views.items()}
    return Features(features.ids, {**features.channels, **more}, {**features.present, **dict.fromkeys(more, shown)})


def make_embedder(channels: str = CHANNELS, fusion: str = "gmu", seed: int = 0, views: bool = False) -> Embedder:
    """Build a model whose every parameter is drawn at random, gates included."""
    features = make_features(40, 2, channels)
    features = with_views(features, 2) if views else features
    projection = fit_projection([features], WEIGHTS, dim_text=20, dim_image=12, lexical_rank=8, whitening=0.5, seed=0)
    embedder = Embedder(projection, start_discriminator(projection, dim=24, image_dim=8, fusion=fusion, hidden=4))
    dice = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in embedder.discriminator.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=dice)
    return embedder


def without(features: Features, channels: set[str]) -> Features:
    """Take channels away as if the mention did not have them."""
    kept = {name: matrix * 0 if name in channels else matrix for name, matrix in features.channels.items()}
    masks = {name: np.zeros_like(mask) if name in channels else mask for name, mask in features.present.items()}
    return Features(features.ids, kept, masks)


def average_over_orders(values: np.ndarray) -> np.ndarray:
    """Shapley values as they are defined: each player's gain on joining, in every order."""
    num_players = int(np.log2(len(values)))
    shares = np.zeros((num_players, values.shape[1]))
    orders = list(permutations(range(num_players)))
    for order in orders:
        present = 0
        for player in order:
            shares[player] += values[present + 2**player] - values[present]
            present += 2**player
    return shares / len(orders)


def test_coalitions_are_all_sets_the_empty_one_first() -> None:
    assert coalitions(2).tolist() == [[False, False], [True, False], [False, True], [True, True]]
    assert coalitions(0).shape == (1, 0)


@given(st.integers(0, 5), st.integers(0, 3), st.integers(0, 10_000))
def test_values_are_means_over_all_orders(num_players: int, games: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2**num_players, games))
    np.testing.assert_allclose(shapley_values(values), average_over_orders(values), atol=1e-12)


@given(st.integers(1, 6), st.integers(0, 10_000))
def test_values_add_up_and_a_player_without_effect_gets_nothing(num_players: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(2**num_players, 2))
    doubled = np.concatenate([values, values])  # one more player, the last, who changes nothing
    shares = shapley_values(doubled)
    np.testing.assert_allclose(shares.sum(axis=0), values[-1] - values[0], atol=1e-12)
    np.testing.assert_allclose(shares[-1], 0, atol=1e-12)
    np.testing.assert_allclose(shares[:-1], shapley_values(values), atol=1e-12)


@given(st.integers(0, 10_000))
def test_players_that_can_take_each_others_place_get_the_same(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(8, 1))
    values[0b010] = values[0b001]
    values[0b110] = values[0b101]
    shares = shapley_values(values)
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-12)


@settings(max_examples=25)
@given(st.sampled_from(["gmu", "concat", "sum"]), st.booleans(), st.integers(0, 19), st.integers(0, 50))
def test_shares_add_up_to_the_scores_of_the_model(fusion: str, views: bool, row: int, seed: int) -> None:
    embedder = make_embedder(fusion=fusion, seed=seed, views=views)
    features, vectors = make_features(20, seed), unit(7, embedder.dim, seed).astype(np.float32)
    mention = (with_views(features, seed) if views else features).take([row])
    found = attribute_channels(embedder, mention, vectors)
    expected = (embedder.embed_mentions(mention) @ vectors.T)[0] if found.channels else np.zeros(7)
    np.testing.assert_allclose(found.shares.sum(axis=0), expected, atol=2e-6)
    np.testing.assert_allclose(found.scores, expected, atol=2e-6)


@pytest.mark.parametrize("channels", [CHANNELS, "name context", "image"])
def test_shares_are_those_of_a_mention_that_lacks_channels_one_by_one(channels: str) -> None:
    embedder, mention = make_embedder(channels), make_features(20, 1, channels).take([0])
    vectors = unit(3, embedder.dim, 5).astype(np.float32)
    found = attribute_channels(embedder, mention, vectors)
    assert found.channels == tuple(channels.split())
    sets = coalitions(len(found.channels))
    left_out = [{name for name, member in zip(found.channels, row, strict=True) if not member} for row in sets]
    values = np.stack([(embedder.embed_mentions(without(mention, names)) @ vectors.T)[0] for names in left_out]).astype(np.float64)
    values[0] = 0
    np.testing.assert_allclose(found.shares, average_over_orders(values), atol=2e-6)


def test_what_a_mention_lacks_has_no_share() -> None:
    embedder, features = make_embedder(views=True), with_views(make_features(20, 1), 1)
    vectors = unit(3, embedder.dim, 5).astype(np.float32)
    channels = [attribute_channels(embedder, features.take([row]), vectors).channels for row in (0, 2, 3)]
    pictures = ("image", "image_parts", "image_layout")
    assert channels == [("name", "context", "lexical", *pictures), ("name", "context", "lexical"), ()]


def test_a_mention_with_nothing_scores_nothing() -> None:
    embedder, mention = make_embedder(), make_features(20, 1).take([3])
    found = attribute_channels(embedder, mention, np.ones((2, embedder.dim), np.float32))
    assert found.shares.shape == (0, 2)
    np.testing.assert_array_equal(found.scores, 0)


def test_channels_that_say_the_same_get_equal_shares() -> None:
    rows = unit(30, 8, 0).astype(np.float16)
    twins = Features(tuple(map(str, range(30))), {"name": rows, "context": rows}, dict.fromkeys(("name", "context"), np.ones(30, bool)))
    projection = fit_projection([twins], {"name": 1.0, "context": 1.0}, 16, 0, 4, 0.0, 0)
    embedder = Embedder(projection, start_discriminator(projection, dim=16, image_dim=None))
    found = attribute_channels(embedder, twins.take([4]), embedder.embed_entities(twins))
    np.testing.assert_allclose(found.shares[0], found.shares[1], atol=1e-6)
    assert found.scores[4] == pytest.approx(1, abs=1e-3)


def test_contributions_add_up_to_the_inputs() -> None:
    embedder, features = make_embedder(views=True), with_views(make_features(20, 1), 1)
    parts, inputs = embedder.projection.contributions(features), embedder.projection(features)
    assert list(parts.image) == ["image", "image_parts", "image_layout"]
    np.testing.assert_allclose(sum(parts.text.values()), inputs.text.numpy(), atol=1e-6)
    np.testing.assert_allclose(sum(parts.image.values()), inputs.image.numpy(), atol=1e-6)
    assert sparse.issparse(features.channels["lexical"])


def test_mean_gates_are_closed_where_a_side_is_missing() -> None:
    gates = mean_gates(make_embedder(), make_features(5, 1), "mention")
    assert gates is not None
    assert 0 < gates[0] < 1
    np.testing.assert_array_equal(gates[2:4], [1, np.nan])
    assert mean_gates(make_embedder(fusion="sum"), make_features(5, 1), "mention") is None
    assert mean_gates(make_embedder("name context"), make_features(5, 1, "name context"), "mention") is None


@pytest.mark.parametrize("side", ["mention", "entity"])
def test_mean_gates_are_those_of_their_own_side(side: str) -> None:
    embedder, features = make_embedder(), make_features(5, 1)
    inputs = embedder.projection(features)
    unit_of = embedder.discriminator.mention.fusion if side == "mention" else embedder.discriminator.entity.fusion
    x = np.concatenate([inputs.text[0].numpy(), inputs.image[0].numpy()])
    y = unit_of.gate_weight.detach().numpy() @ x + unit_of.gate_bias.detach().numpy()
    gates = mean_gates(embedder, features, side)  # type: ignore[arg-type]
    assert gates is not None
    assert gates[0] == pytest.approx((1 / (1 + np.exp(-y))).mean(), abs=1e-5)
