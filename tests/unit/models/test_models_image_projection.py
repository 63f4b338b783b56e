"""Several picture channels in one image input."""

from dataclasses import replace

import numpy as np
import pytest
from model_features import make_features

from pgmel.features import NUM_PARTS, Features
from pgmel.models import Projection, fit_projection

WEIGHTS = {"image": 2.0, "image_parts": 2.5, "image_layout": 0.5}


def make_views(rows: int, seed: int) -> Features:
    """Pictures seen whole, in five parts, and by a second encoder."""
    features = make_features(rows, seed, "image")
    rng = np.random.default_rng(seed + 100)
    there = features.present["image"]
    more = {"image_parts": rng.normal(1, 1, (rows, NUM_PARTS * 4)), "image_layout": rng.normal(0, 1, (rows, 6))}
    channels = {name: (values * there[:, None]).astype(np.float16) for name, values in more.items()}
    return replace(features, channels={**features.channels, **channels}, present={**features.present, **dict.fromkeys(more, there)})


def fit(sides: list[Features], dim_image: int = 100, weights: dict[str, float] = WEIGHTS) -> Projection:
    return fit_projection(sides, weights, dim_text=10, dim_image=dim_image, lexical_rank=4, whitening=0.0, seed=0)


def block_similarity(side: Features, fitted: list[Features], channel: str, columns: slice) -> np.ndarray:
    """Cosines of the centred columns, in float64."""
    there = side.present["image"]
    everyone = np.concatenate([part.channels[channel][part.present["image"], columns].astype(np.float64) for part in fitted])
    centred = side.channels[channel][there, columns].astype(np.float64) - everyone.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    return centred @ centred.T


def test_the_image_similarity_is_the_weighted_mean_of_the_blocks_similarities() -> None:
    sides = [make_views(40, 1), make_views(30, 2)]
    there = sides[0].present["image"]
    ours = fit(sides)(sides[0]).image.numpy()[there]
    parts = [block_similarity(sides[0], sides, "image_parts", slice(4 * part, 4 * part + 4)) for part in range(NUM_PARTS)]
    whole = block_similarity(sides[0], sides, "image", slice(None))
    layout = block_similarity(sides[0], sides, "image_layout", slice(None))
    # The whole picture weighs 1 whatever the weight of pictures against text is.
    expected = (whole + 2.5 * np.mean(parts, axis=0) + 0.5 * layout) / (1 + 2.5 + 0.5)
    np.testing.assert_allclose(ours @ ours.T, expected, atol=2e-3)


def test_few_columns_keep_the_directions_of_most_variance() -> None:
    sides = [make_views(60, 3)]
    there = sides[0].present["image"]
    exact = fit(sides)(sides[0]).image.numpy()[there]
    errors = [
        np.abs(part @ part.T - exact @ exact.T).mean() for part in (fit(sides, dim)(sides[0]).image.numpy()[there] for dim in (2, 6, 15))
    ]
    assert errors[0] > errors[1] > errors[2]
    spread = (exact**2).sum(axis=0)
    assert np.all(np.diff(spread) < 1e-4)


def test_rows_without_a_picture_are_zero_and_masked() -> None:
    side = make_views(20, 4)
    inputs = fit([side])(side)
    assert np.array_equal(inputs.has_image.numpy(), side.present["image"])
    assert not inputs.image[~inputs.has_image].any()
    assert inputs.image[inputs.has_image].any(dim=1).all()


@pytest.mark.parametrize("left_out", ["image_parts", "image_layout"])
def test_a_channel_without_weight_is_left_out(left_out: str) -> None:
    side = make_views(20, 5)
    projection = fit([side], weights={**WEIGHTS, left_out: 0.0})
    assert {block.channel for block in projection.image.blocks} == set(WEIGHTS) - {left_out}


def test_tensors_rebuild_the_same_projection() -> None:
    side = make_views(20, 6)
    projection = fit([side], dim_image=9)
    rebuilt = Projection.from_tensors(projection.tensors(), projection.text_share, projection.variance_kept)
    assert rebuilt.dim_image == 9
    np.testing.assert_array_equal(rebuilt(side).image.numpy(), projection(side).image.numpy())


def test_a_block_that_lacks_a_tensor_is_not_passed_over() -> None:
    tensors = fit([make_views(20, 7)]).tensors()
    del tensors["image.2.image_parts.mean"]
    with pytest.raises(KeyError):
        Projection.from_tensors(tensors, 0.5, 1.0)
