"""The fixed projection: what similarities it keeps, and what it does with gaps."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from model_features import make_features, unit
from scipy import sparse

from pgmel.errors import SettingError
from pgmel.features import Features
from pgmel.models import Projection, fit_projection

EVEN = {"name": 1.0, "context": 1.0, "lexical": 1.0, "image": 1.0}


def fit(sides: list[Features], weights: Mapping[str, float] = EVEN, **changes: float) -> Projection:
    values = {"dim_text": 100, "dim_image": 100, "lexical_rank": 39, "whitening": 0.0, "seed": 0} | changes
    return fit_projection(sides, weights, **values)


def text_similarity(one: Features, two: Features, weights: Mapping[str, float]) -> np.ndarray:
    """Weighted mean of the channels' own similarities, in float64."""
    names = [name for name in ("name", "context", "lexical") if name in one.channels and weights[name]]

    def dense(features: Features, name: str) -> np.ndarray:
        channel = features.channels[name]
        return (channel.toarray() if sparse.issparse(channel) else channel).astype(np.float64)

    return sum(weights[name] * dense(one, name) @ dense(two, name).T for name in names) / sum(weights[name] for name in names)


@pytest.mark.parametrize("weights", [EVEN, EVEN | {"name": 3.0, "context": 0.5}])
def test_all_dimensions_keep_the_weighted_similarity_of_the_dense_channels(weights: dict[str, float]) -> None:
    mentions, entities = make_features(30, 1, "name context image"), make_features(40, 2, "name context image")
    projection = fit([entities, mentions], weights)
    ours = projection(mentions).text.numpy() @ projection(entities).text.numpy().T
    np.testing.assert_allclose(ours, text_similarity(mentions, entities, weights), atol=1e-5)
    assert projection.variance_kept == pytest.approx(1.0)


def test_the_lexical_channel_is_kept_as_far_as_its_rank_reaches() -> None:
    sides = [make_features(60, 2), make_features(50, 1)]
    exact = text_similarity(sides[1], sides[0], EVEN)
    errors = []
    for rank in (5, 20, 39):
        projection = fit(sides, lexical_rank=rank)
        errors.append(np.abs(projection(sides[1]).text.numpy() @ projection(sides[0]).text.numpy().T - exact).mean())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.005


def test_the_error_of_fewer_dimensions_is_bounded_by_the_variance_they_lose() -> None:
    sides = [make_features(60, 2, "name context", gaps=False), make_features(50, 1, "name context", gaps=False)]
    everyone = Features.join(sides)
    exact = text_similarity(everyone, everyone, EVEN)
    kept = []
    for dim in (2, 8, 16, 24):
        projection = fit(sides, dim_text=dim)
        text = projection(everyone).text.numpy()
        assert text.shape[1] == projection.dim_text == dim
        # Both sides weigh alike in the fit, whatever their size.
        lost = np.mean([np.mean(1 - (projection(side).text.numpy() ** 2).sum(1)) for side in sides])
        assert 1 - projection.variance_kept == pytest.approx(lost, abs=1e-4)
        # What a row loses is sqrt(1 - |x|^2) long, so a similarity loses no more than the product of two such lengths.
        rest = np.sqrt(np.maximum(1 - (text**2).sum(1), 0) + 1e-3)
        assert (np.abs(text @ text.T - exact) <= np.outer(rest, rest) + 1e-3).all()
        kept.append(projection.variance_kept)
    assert kept == sorted(kept)
    assert kept[-1] == pytest.approx(1.0)


def test_pictures_are_centred_and_of_unit_length_and_keep_their_cosine() -> None:
    sides = [make_features(60, 2, "image"), make_features(50, 1, "image")]
    projection = fit(sides)
    inputs = projection(sides[0])
    assert inputs.text.shape == (60, 0)
    there = inputs.has_image.numpy()
    np.testing.assert_allclose(np.linalg.norm(inputs.image.numpy()[there], axis=1), 1, atol=1e-5)
    pictures = np.concatenate([side.channels["image"][side.present["image"]].astype(np.float64) for side in sides])
    centred = sides[0].channels["image"][there] - pictures.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    ours = inputs.image.numpy()[there]
    np.testing.assert_allclose(ours @ ours.T, centred @ centred.T, atol=1e-4)
    assert abs((ours @ ours.T)[~np.eye(len(ours), dtype=bool)].mean()) < 0.05


def test_full_whitening_gives_every_kept_dimension_the_same_spread() -> None:
    side = make_features(200, 2, "image")
    pictures = side.channels["image"][side.present["image"]].astype(np.float64)

    def spread(whitening: float) -> np.ndarray:
        (block,) = fit([side], whitening=whitening).image.blocks
        return ((pictures - block.mean) @ block.map).std(axis=0)

    assert np.ptp(spread(1.0)) < 1e-3 * spread(1.0).max()
    assert spread(0.0)[0] > 1.5 * spread(0.0)[-1]
    assert np.all(np.diff(spread(0.5)) < 1e-6)


def test_rows_without_a_modality_are_zero_and_masked() -> None:
    side = make_features(20, 3)
    inputs = fit([side])(side)
    assert np.array_equal(inputs.has_text.numpy(), side.present["name"])
    assert np.array_equal(inputs.has_image.numpy(), side.present["image"])
    assert not inputs.text[~inputs.has_text].any()
    assert not inputs.image[~inputs.has_image].any()
    assert inputs.text[inputs.has_text].any(dim=1).all()
    assert inputs.text.dtype == inputs.image.dtype == torch.float32


def test_any_text_channel_makes_a_row_have_text() -> None:
    side = make_features(20, 3)
    side.present["name"][:] = False
    assert np.array_equal(fit([side])(side).has_text.numpy(), side.present["context"])


def test_the_result_does_not_depend_on_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    side = make_features(20, 3)
    whole = fit([side])(side)
    monkeypatch.setattr("pgmel.models.projection.CHUNK", 7)
    parts = fit([side])(side)
    # Directions may turn round, similarities may not.
    for one, other in zip(whole[:2], parts[:2], strict=True):
        torch.testing.assert_close(one @ one.T, other @ other.T, rtol=0, atol=1e-4)
    assert all(torch.equal(one, other) for one, other in zip(whole[2:], parts[2:], strict=True))


def test_the_fit_is_the_same_every_time() -> None:
    sides = [make_features(30, 2), make_features(20, 1)]
    one, again = fit(sides, lexical_rank=10).tensors(), fit(sides, lexical_rank=10).tensors()
    assert all(np.array_equal(one[name].numpy(), again[name].numpy()) for name in one)


def test_channels_of_weight_zero_or_on_one_side_only_are_left_out() -> None:
    full, bare = make_features(30, 2), make_features(20, 1, "name image")
    assert list(fit([full, full], EVEN | {"context": 0.0}).text_maps) == ["name", "lexical"]
    assert list(fit([full, bare]).text_maps) == ["name"]
    assert fit([full, full], EVEN | {"image": 0.0}).dim_image == 0


@pytest.mark.parametrize(("weight", "share"), [(1.0, 1 / 2), (3.0, 1 / 4), (0.0, 1.0)])
def test_the_texts_share_follows_the_pictures_weight(weight: float, share: float) -> None:
    side = make_features(30, 2)
    assert fit([side], EVEN | {"image": weight}).text_share == pytest.approx(share)


def test_without_text_the_picture_has_all() -> None:
    side = make_features(30, 2, "image")
    projection = fit([side])
    assert (projection.text_share, projection.dim_text) == (0.0, 0)


def test_without_pictures_the_text_has_all() -> None:
    side = make_features(30, 2)
    side.present["image"][:] = False
    projection = fit([side])
    assert (projection.text_share, projection.dim_image) == (1.0, 0)
    assert not projection(side).has_image.any()


def test_pictures_that_are_all_the_same_count_as_none() -> None:
    side = make_features(30, 2)
    side.channels["image"][:] = 1.5
    side.present["image"][:] = True
    assert fit([side]).dim_image == 0


def test_a_single_picture_counts_as_none() -> None:
    side = make_features(30, 2)
    side.present["image"][1:] = False
    assert fit([side]).dim_image == 0


def test_nothing_to_read_is_an_error_that_names_the_settings() -> None:
    side = make_features(30, 2, "name")
    with pytest.raises(SettingError, match=r"features\.text_encoder"):
        fit([side], EVEN | {"name": 0.0})


@pytest.mark.parametrize("entities", [1, 2, 3])
def test_a_tiny_knowledge_base(entities: int) -> None:
    sides = [make_features(entities, 2, gaps=False), make_features(1, 1, gaps=False)]
    projection = fit(sides)
    for side in sides:
        inputs = projection(side)
        assert inputs.text.isfinite().all()
        assert inputs.image.isfinite().all()
        assert inputs.text.shape[1] == projection.dim_text


def test_texts_without_any_n_gram() -> None:
    side = make_features(30, 2)
    side.channels["lexical"].data[:] = 0
    inputs = fit([side])(side)
    assert inputs.text.isfinite().all()
    assert inputs.text[inputs.has_text].any(dim=1).all()


def test_no_rows_give_empty_inputs() -> None:
    side = make_features(30, 2)
    inputs = fit([side])(side.take([]))
    assert inputs.text.shape == (0, fit([side]).dim_text)
    assert inputs.has_image.shape == (0,)


def test_stored_tensors_rebuild_the_same_projection() -> None:
    side = make_features(30, 2)
    projection = fit([side])
    rebuilt = Projection.from_tensors(projection.tensors(), projection.text_share, projection.variance_kept)
    assert list(rebuilt.text_maps) == list(projection.text_maps)
    for one, other in zip(projection(side), rebuilt(side), strict=True):
        assert np.array_equal(one.numpy(), other.numpy())


def test_float16_features_lose_no_more_than_their_own_rounding() -> None:
    exact = unit(50, 12, 0)
    side = Features(tuple(map(str, range(50))), {"name": exact.astype(np.float16)}, {"name": np.ones(50, bool)})
    text = fit([side])(side).text.numpy()
    np.testing.assert_allclose(text @ text.T, exact @ exact.T, atol=2e-3)
