"""Features in, vectors out; start, save, load, damage."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from model_features import make_features
from safetensors.torch import load_file, save_file

from pgmel.errors import BundleError, SettingError
from pgmel.models import Embedder, Projection, fit_projection, start_discriminator
from pgmel.testing import fake_encoders, toy_world

WEIGHTS = {"name": 1.0, "context": 1.0, "lexical": 1.0, "image": 1.0}
ENTITIES, MENTIONS = make_features(40, 2), make_features(30, 1)


def make_projection(channels: str = "name context image") -> Projection:
    sides = [make_features(40, 2, channels), make_features(30, 1, channels)]
    return fit_projection(sides, WEIGHTS, dim_text=50, dim_image=50, lexical_rank=20, whitening=0.5, seed=0)


def make_embedder(channels: str = "name context image", **changes: object) -> Embedder:
    projection = make_projection(channels)
    return Embedder(projection, start_discriminator(projection, **({"dim": 100, "image_dim": None} | changes)))


def trained(embedder: Embedder) -> Embedder:
    dice = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in embedder.discriminator.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=dice)
    return embedder


def zero_shot(projection: Projection) -> np.ndarray:
    mentions, entities = projection(MENTIONS), projection(ENTITIES)
    share = projection.text_share
    text = (mentions.text @ entities.text.T).numpy()
    return share * text + (1 - share) * (mentions.image @ entities.image.T).numpy()


@pytest.mark.parametrize("fusion", ["gmu", "concat", "sum"])
@pytest.mark.parametrize("hidden", [0, 8])
@pytest.mark.parametrize("channels", ["name context image", "name context", "image"])
def test_the_untrained_embedder_gives_the_zero_shot_similarity(channels: str, hidden: int, fusion: str) -> None:
    embedder = make_embedder(channels, fusion=fusion, hidden=hidden)
    scores = embedder.embed_mentions(MENTIONS) @ embedder.embed_entities(ENTITIES).T
    # The dense channels are stored in float16, so their rows are of unit length to three digits only.
    np.testing.assert_allclose(scores, zero_shot(embedder.projection), atol=1e-3)


def test_vectors_are_float32_of_unit_length_in_the_order_of_the_rows() -> None:
    embedder = trained(make_embedder())
    vectors = embedder.embed_mentions(MENTIONS)
    assert vectors.shape == (30, embedder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embedder.embed_mentions(MENTIONS.take([7, 2])), vectors[[7, 2]], atol=1e-6)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = trained(make_embedder())
    whole = embedder.embed_entities(ENTITIES)
    monkeypatch.setattr("pgmel.models.embedder.CHUNK", 7)
    np.testing.assert_allclose(embedder.embed_entities(ENTITIES), whole, atol=1e-6)


def test_no_rows_give_no_vectors() -> None:
    embedder = make_embedder()
    assert embedder.embed_entities(ENTITIES.take([])).shape == (0, embedder.dim)


def test_embedding_never_drops_inputs_even_between_training_steps() -> None:
    embedder = trained(make_embedder(dropout=0.5))
    embedder.discriminator.train()
    first = embedder.embed_mentions(MENTIONS)
    embedder.discriminator.train()
    assert np.array_equal(first, embedder.embed_mentions(MENTIONS))


def test_a_warm_and_a_random_start_differ_and_the_random_one_follows_its_seed() -> None:
    warm, random, again, other = (
        make_embedder(**changes).embed_mentions(MENTIONS)
        for changes in ({}, {"start": "random", "seed": 1}, {"start": "random", "seed": 1}, {"start": "random", "seed": 2})
    )
    assert np.array_equal(random, again)
    assert np.abs(random - other).max() > 0.1
    assert np.abs(random - warm).max() > 0.1


def test_a_random_start_loses_the_zero_shot_similarity() -> None:
    embedder = make_embedder(start="random")
    scores = embedder.embed_mentions(MENTIONS) @ embedder.embed_entities(ENTITIES).T
    expected = zero_shot(embedder.projection)
    there = expected != 0
    assert abs(np.corrcoef(scores[there], expected[there])[0, 1]) < 0.5


def test_starting_leaves_the_global_stream_alone() -> None:
    projection = make_projection()
    state = torch.get_rng_state()
    start_discriminator(projection, dim=20, image_dim=None, hidden=4, start="random", seed=5)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("dim", [4, 5, 10, 24, 33, 35, 500])
@pytest.mark.parametrize("image_dim", [None, 1, 3, 400])
def test_dimensions_are_shared_out_so_that_both_modalities_have_room(dim: int, image_dim: int | None) -> None:
    projection = make_projection()  # 24 columns of text, 9 of pictures
    shape = start_discriminator(projection, dim=dim, image_dim=image_dim).shape
    inner = shape["dim"] - 2
    text_block = inner - shape["image_dim"]
    assert shape["dim"] == min(dim, 24 + 9 + 2)
    assert 1 <= shape["image_dim"] <= 9
    assert 1 <= text_block <= 24
    if image_dim is not None and dim >= 24 + 2 + image_dim:
        assert shape["image_dim"] == max(min(image_dim, 9), inner - 24)


@pytest.mark.parametrize("channels", ["name context", "image"])
def test_a_single_modality_takes_all_dimensions_without_pads(channels: str) -> None:
    shape = start_discriminator(make_projection(channels), dim=6, image_dim=2).shape
    assert (shape["dim"], shape["image_dim"]) == (6, 6 if channels == "image" else 0)


@pytest.mark.parametrize("dim", [2, 3])
def test_too_few_dimensions_for_two_modalities_are_refused(dim: int) -> None:
    with pytest.raises(SettingError, match=rf"model\.dim must be >= 4 .* got {dim}"):
        start_discriminator(make_projection(), dim=dim, image_dim=None)


def test_fewer_dimensions_than_inputs_keep_the_leading_ones() -> None:
    embedder = make_embedder("name context", dim=10)
    inputs = embedder.projection(MENTIONS).text[:, :10]
    expected = torch.nn.functional.normalize(inputs, dim=1)
    np.testing.assert_allclose(embedder.embed_mentions(MENTIONS), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("channels", ["name context lexical image", "name", "image"])
@pytest.mark.parametrize("fusion", ["gmu", "concat", "sum"])
def test_saving_and_loading_gives_the_same_vectors_to_the_bit(tmp_path: Path, channels: str, fusion: str) -> None:
    embedder = trained(make_embedder(channels, fusion=fusion, hidden=4, activation="tanh", dropout=0.25))
    embedder.save(tmp_path / "model")
    loaded = Embedder.load(tmp_path / "model")
    assert np.array_equal(loaded.embed_mentions(MENTIONS), embedder.embed_mentions(MENTIONS))
    assert np.array_equal(loaded.embed_entities(ENTITIES), embedder.embed_entities(ENTITIES))
    assert loaded.discriminator.shape == embedder.discriminator.shape
    assert (loaded.projection.text_share, loaded.projection.variance_kept) == (
        embedder.projection.text_share,
        embedder.projection.variance_kept,
    )


def test_saving_writes_no_pickle_and_leaves_nothing_else(tmp_path: Path) -> None:
    make_embedder().save(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model.json", "model.safetensors"]


def edit_json(folder: Path, **changes: object) -> None:
    file = folder / "model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def edit_shape(folder: Path, **changes: object) -> None:
    edit_json(folder, shape=json.loads((folder / "model.json").read_text())["shape"] | changes)


def edit_tensors(folder: Path, remove: str = "", add: str = "") -> None:
    tensors = {name: tensor for name, tensor in load_file(folder / "model.safetensors").items() if name != remove}
    save_file(tensors | ({add: torch.zeros(1)} if add else {}), folder / "model.safetensors")


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10])


DAMAGE = {
    "no json": lambda folder: (folder / "model.json").unlink(),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "json cut off": lambda folder: cut(folder / "model.json"),
    "json of another kind": lambda folder: (folder / "model.json").write_text("[1, 2]"),
    "weights cut off": lambda folder: cut(folder / "model.safetensors"),
    "empty weights": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "weights overwritten": lambda folder: (folder / "model.safetensors").write_bytes(b"\xff" * 500),
    "another format": lambda folder: edit_json(folder, format=99),
    "no shape": lambda folder: edit_json(folder, shape=None),
    "shape that lacks a value": lambda folder: edit_json(folder, shape={"dim": 3}),
    "shape of a model of another size": lambda folder: edit_shape(folder, dim=7, image_dim=2),
    "unknown fusion": lambda folder: edit_shape(folder, fusion="attention"),
    "impossible dropout": lambda folder: edit_shape(folder, dropout=7.0),
    "a missing weight": lambda folder: edit_tensors(folder, remove="discriminator.mention.fusion.text.weight"),
    "a missing map": lambda folder: edit_tensors(folder, remove="projection.image.0.image.map"),
    "a weight too many": lambda folder: edit_tensors(folder, add="discriminator.mention.extra"),
    "a part too many": lambda folder: edit_tensors(folder, add="somebody.else"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_is_refused_and_its_folder_named(tmp_path: Path, damage: str) -> None:
    make_embedder().save(tmp_path / "model")
    DAMAGE[damage](tmp_path / "model")
    with pytest.raises(BundleError, match="model"):
        Embedder.load(tmp_path / "model")


def test_encoded_records_give_the_zero_shot_similarity_of_their_raw_channels(tmp_path: Path) -> None:
    world, encoders = toy_world(tmp_path), fake_encoders()
    entities = encoders.encode_entities(world.entities, show_progress=False)
    mentions = encoders.encode_mentions(world.splits["dev"], show_progress=False)
    weights = {"name": 1.0, "context": 2.0, "image": 0.5}
    projection = fit_projection([entities, mentions], weights, dim_text=500, dim_image=500, lexical_rank=5, whitening=0.0, seed=0)
    embedder = Embedder(projection, start_discriminator(projection, dim=1000, image_dim=None, hidden=8))
    scores = embedder.embed_mentions(mentions) @ embedder.embed_entities(entities).T

    def channel(side: object, name: str) -> np.ndarray:
        return side.channels[name].astype(np.float64)

    text = sum(weights[name] * channel(mentions, name) @ channel(entities, name).T for name in ("name", "context")) / 3
    pictures = np.concatenate([channel(side, "image")[side.present["image"]] for side in (entities, mentions)])
    looks = [(channel(side, "image") - pictures.mean(axis=0)) * side.present["image"][:, None] for side in (mentions, entities)]
    units = [look / np.maximum(np.linalg.norm(look, axis=1, keepdims=True), 1e-12) for look in looks]
    assert not mentions.present["image"].all()
    assert projection.text_share == pytest.approx(1 / 1.5)
    np.testing.assert_allclose(scores, (text + 0.5 * units[0] @ units[1].T) / 1.5, atol=2e-3)
