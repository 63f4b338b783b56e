import logging
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pgmel.errors import EncoderError
from pgmel.features import ChannelReport, Encoders, image_channel
from pgmel.features import encoders as encoders_module
from pgmel.features.image_channel import tame
from pgmel.features.years import NUM_PERIODS
from pgmel.records import Entity, Mention
from pgmel.testing import FakeImageEncoder, FakeTextEncoder, fake_encoders, toy_world

COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "grey": (128, 128, 128)}


def picture(folder: Path, name: str, colour: str = "red") -> Path:
    path = folder / name
    Image.new("RGB", (12, 12), COLOURS[colour]).save(path)
    return path


def entity(key: str, *images: Path, name: str = "Alder", description: str = "a river") -> Entity:
    return Entity(key, name, (), description, images)


class Counted:
    """Encoders over one cache folder, with their fakes at hand."""

    def __init__(self, cache_dir: Path | None, text: FakeTextEncoder | None = None) -> None:
        self.text, self.image = text or FakeTextEncoder(), FakeImageEncoder()
        self.encoders = Encoders(self.text, self.image, lexical_dim=64, batch_size=4, cache_dir=cache_dir)


def test_channels_have_the_promised_forms(tmp_path: Path) -> None:
    world = toy_world(tmp_path)
    features = fake_encoders(lexical_dim=128).encode_entities(world.entities, show_progress=False)
    assert features.ids == tuple(e.id for e in world.entities)
    assert {name: (channel.shape, channel.dtype.name) for name, channel in features.channels.items()} == {
        "name": ((30, 64), "float16"),
        "context": ((30, 64), "float16"),
        "lexical": ((30, 128), "float32"),
        "years": ((30, NUM_PERIODS), "float16"),
        "image": ((30, 27), "float16"),
    }
    for name in ("name", "context"):
        np.testing.assert_allclose(np.linalg.norm(features.channels[name].astype(np.float32), axis=1), 1, atol=1e-3)
    assert all(mask.dtype == bool and mask.shape == (30,) for mask in features.present.values())


def test_rows_keep_their_order_whatever_their_length() -> None:
    texts = ["b " * 30, "a", "c " * 7, "a", "d " * 60, "e", "f f", "g", "h " * 9]
    features = fake_encoders(image=False).encode_mentions([Mention(str(row), text) for row, text in enumerate(texts)], show_progress=False)
    for row, text in enumerate(texts):
        expected = FakeTextEncoder().encode([text])[0]
        np.testing.assert_allclose(features.channels["name"][row], expected / np.linalg.norm(expected), atol=1e-3)


def test_texts_are_encoded_longest_first_and_once() -> None:
    counted = Counted(None)
    counted.encoders.encode_mentions(
        [Mention(str(n), text) for n, text in enumerate(["aa", "a", "aaaa", "aa", "aaa"])], show_progress=False
    )
    assert counted.text.texts[:4] == ["aaaa", "aaa", "aa", "a"]


def test_absent_texts_are_masked_and_zero() -> None:
    features = fake_encoders(image=False).encode_mentions(
        [Mention("a", " "), Mention("b", "", "Some words."), Mention("c", "x")], show_progress=False
    )
    assert features.present["name"].tolist() == [False, False, True]
    assert features.present["context"].tolist() == [False, True, True]
    assert features.present["lexical"].tolist() == [False, False, True]
    assert not features.channels["name"][:2].any()
    assert features.channels["lexical"][:2].nnz == 0


def test_nothing_to_encode_gives_matrices_without_rows(tmp_path: Path) -> None:
    features = fake_encoders(cache_dir=tmp_path).encode_mentions([], show_progress=False)
    assert {name: channel.shape for name, channel in features.channels.items()} == {
        "name": (0, 64),
        "context": (0, 64),
        "lexical": (0, 256),
        "years": (0, NUM_PERIODS),
        "image": (0, 27),
    }


def test_rows_without_any_text_give_zero_rows_of_the_usual_length(tmp_path: Path) -> None:
    features = fake_encoders(cache_dir=tmp_path).encode_mentions([Mention("a", "")], show_progress=False)
    assert features.channels["name"].shape == (1, 64)
    assert not features.channels["name"].any()


def test_without_encoders_only_the_channels_without_weights_are_there() -> None:
    features = Encoders.load(text_encoder="none", image_encoder="none").encode_mentions([Mention("a", "Alder")], show_progress=False)
    assert list(features.channels) == list(features.present) == ["lexical", "years"]


def test_an_entitys_image_is_the_mean_of_its_first_four_usable_pictures(tmp_path: Path) -> None:
    red, blue = picture(tmp_path, "red.png"), picture(tmp_path, "blue.png", "blue")
    features = fake_encoders().encode_entities(
        [entity("mean", red, blue), entity("some", tmp_path / "none.png", red), entity("four", red, red, red, red, blue)],
        show_progress=False,
    )
    mean, some, four = features.channels["image"].astype(np.float32)
    np.testing.assert_allclose(mean, np.tile([0.0, -0.5, 0.0], 9), atol=1e-3)
    np.testing.assert_allclose(some, np.tile([0.5, -0.5, -0.5], 9), atol=1e-3)
    np.testing.assert_allclose(four, some, atol=1e-3)


def bomb() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def test_unusable_pictures_are_masked_counted_and_listed(tmp_path: Path) -> None:
    good = picture(tmp_path, "good.png")
    bad = {"zero.png": b"", "page.jpg": b"<html>", "cut.png": good.read_bytes()[:50], "bomb.png": bomb()}
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.png").mkdir()
    names = ["good.png", "none.png", *bad, "folder.png"]
    mentions = [Mention(name, "x", image=tmp_path / name) for name in names] + [Mention("without", "x")]
    features = fake_encoders().encode_mentions(mentions, show_progress=False)
    assert features.present["image"].tolist() == [True] + [False] * 7
    assert not features.channels["image"][1:].any()
    report = features.report
    assert (report.pictures_named, report.pictures_missing, report.pictures_broken) == (7, 1, 5)
    assert {problem.owner: problem.kind for problem in report.problems} == {
        "none.png": "missing",
        "zero.png": "empty",
        "page.jpg": "unsupported",
        "cut.png": "broken",
        "bomb.png": "too_large",
        "folder.png": "unsupported",
    }
    assert report.channels["image"] == ChannelReport(rows=8, present=1, encoded=1, cached=0)


def test_a_second_run_encodes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = toy_world(tmp_path / "data")
    first = Counted(tmp_path / "cache").encoders.encode_entities(world.entities, show_progress=False)
    again = Counted(tmp_path / "cache")
    with caplog.at_level(logging.INFO, logger="pgmel.features"):
        second = again.encoders.encode_entities(world.entities, show_progress=False)
    assert (again.text.texts, again.image.num_encoded) == ([], 0)
    for name in ("name", "context", "image"):
        np.testing.assert_array_equal(first.channels[name], second.channels[name])
    assert first.report.channels["context"].encoded == second.report.channels["context"].cached > 0
    assert "entities: name: 30 of 30 rows have it; 0 encoded, 10 from the cache" in caplog.text


def test_a_changed_row_encodes_only_itself(tmp_path: Path) -> None:
    images = [picture(tmp_path, f"{n}.png", colour) for n, colour in enumerate(COLOURS)]
    rows = [entity(str(n), image, name=f"Name {n}") for n, image in enumerate(images)]
    Counted(tmp_path / "cache").encoders.encode_entities(rows, show_progress=False)
    again = Counted(tmp_path / "cache")
    Image.new("RGB", (12, 12), (1, 2, 3)).save(images[1])
    rows[2] = entity("2", images[2], name="Name 2", description="a town")
    again.encoders.encode_entities(rows, show_progress=False)
    assert again.text.texts == ["Name 2. a town"]
    assert again.image.num_encoded == 1


def test_a_second_run_reads_no_picture_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = picture(tmp_path, "a.png")
    os.utime(image, (1_500_000_000, 1_500_000_000))
    mentions = [Mention("a", "x", image=image)]
    fake_encoders(cache_dir=tmp_path / "cache").encode_mentions(mentions, show_progress=False)
    monkeypatch.setattr(image_channel, "read_picture_bytes", lambda path: pytest.fail(f"read {path}"))
    assert fake_encoders(cache_dir=tmp_path / "cache").encode_mentions(mentions, show_progress=False).present["image"].all()


def test_large_jpegs_are_decoded_at_the_resolution_that_the_encoder_needs(tmp_path: Path) -> None:
    sizes = []

    class Small(FakeImageEncoder):
        target = 32

        def prepare(self, picture: Image.Image) -> np.ndarray:
            sizes.append(picture.size)
            return super().prepare(picture)

    Image.new("RGB", (800, 800), COLOURS["red"]).save(tmp_path / "a.jpg")
    Encoders(None, Small()).encode_mentions([Mention("a", "x", image=tmp_path / "a.jpg")], show_progress=False)
    assert sizes == [(100, 100)]


def test_the_same_picture_under_two_names_is_encoded_once(tmp_path: Path) -> None:
    counted = Counted(None)
    features = counted.encoders.encode_entities(
        [entity("a", picture(tmp_path, "a.png")), entity("b", picture(tmp_path, "b.png"))], show_progress=False
    )
    assert counted.image.num_encoded == 1
    np.testing.assert_array_equal(*features.channels["image"])


class Interrupted(FakeTextEncoder):
    """Encodes two batches and is interrupted in the third."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if len(self.texts) >= 8:
            raise KeyboardInterrupt
        return FakeTextEncoder.encode(self, texts)


def test_an_interrupted_run_keeps_what_it_did(tmp_path: Path) -> None:
    mentions = [Mention(str(n), f"word{n}") for n in range(20)]
    with pytest.raises(KeyboardInterrupt):
        Counted(tmp_path, Interrupted()).encoders.encode_mentions(mentions, show_progress=False)
    again = Counted(tmp_path)
    again.encoders.encode_mentions(mentions, show_progress=False)
    assert len(again.text.texts) == 12


def test_cached_rows_never_load_the_model(tmp_path: Path, bert_folder: Path) -> None:
    import shutil

    folder, mentions = tmp_path / "model", [Mention("a", "red river"), Mention("b", "the painter")]
    shutil.copytree(bert_folder, folder)
    first = Encoders.load(text_encoder=str(folder), cache_dir=tmp_path / "cache")
    expected = first.encode_mentions(mentions, show_progress=False)
    second = Encoders.load(text_encoder=str(folder), cache_dir=tmp_path / "cache")
    (folder / "model.safetensors").unlink()
    got = second.encode_mentions(mentions, show_progress=False)
    np.testing.assert_array_equal(got.channels["name"], expected.channels["name"])
    assert second.describe() == first.describe()
    with pytest.raises(EncoderError, match="cannot be loaded"):
        second.encode_mentions([Mention("c", "new")], show_progress=False)


def test_many_records_are_read_in_parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = toy_world(tmp_path)
    whole = fake_encoders().encode_entities(world.entities, show_progress=False)
    monkeypatch.setattr(encoders_module, "CHUNK", 7)
    parts = fake_encoders().encode_entities(iter(world.entities), show_progress=False)
    assert parts.ids == whole.ids
    for name in ("name", "context", "image"):
        np.testing.assert_array_equal(parts.channels[name], whole.channels[name])
    assert (parts.channels["lexical"] != whole.channels["lexical"]).nnz == 0
    assert parts.report.pictures_named == whole.report.pictures_named == 30


@pytest.mark.parametrize("size", [(1, 1), (3, 60), (60, 3), (1, 9000), (9000, 1), (7, 8)])
def test_tiny_and_extreme_pictures_are_tamed(size: tuple[int, int]) -> None:
    tamed = tame(Image.new("RGB", size))
    assert min(tamed.size) >= 8
    assert max(tamed.size) <= 33 * min(tamed.size)


def test_ordinary_pictures_are_left_alone() -> None:
    ordinary = Image.new("RGB", (640, 32))
    assert tame(ordinary) is ordinary


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (1, 4000), (4000, 1)])
@pytest.mark.parametrize("encoder", ["vit_folder", "clip_folder", "descriptor"])
def test_extreme_pictures_pass_through_real_preprocessing(
    encoder: str, size: tuple[int, int], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    Image.new("RGB", size, COLOURS["red"]).save(tmp_path / "a.png")
    name = encoder if encoder == "descriptor" else str(request.getfixturevalue(encoder))
    encoders = Encoders.load(text_encoder="none", image_encoder=name, cache_dir=tmp_path / "cache")
    features = encoders.encode_mentions([Mention("a", "x", image=tmp_path / "a.png")], show_progress=False)
    assert features.present["image"].all()
    assert np.isfinite(features.channels["image"]).all()


class Overflowing(FakeTextEncoder):
    """Returns what no model should."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return np.full((len(texts), 4), np.nan, dtype=np.float32)


def test_vectors_that_are_not_finite_are_an_error_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match="not finite"):
        Counted(tmp_path, Overflowing()).encoders.encode_mentions([Mention("a", "x")], show_progress=False)
    again = Counted(tmp_path)
    again.encoders.encode_mentions([Mention("a", "x")], show_progress=False)
    assert again.text.texts == ["x"]


class Failing(FakeImageEncoder):
    """Its preprocessing does not work."""

    def prepare(self, picture: Image.Image) -> np.ndarray:
        raise ValueError("unknown setting")


def test_preprocessing_that_fails_is_an_encoder_error_not_a_broken_picture(tmp_path: Path) -> None:
    encoders = Encoders(None, Failing())
    with pytest.raises(EncoderError, match=r"preprocessing of the image encoder 'fake-image' fails on .*a\.png: unknown setting"):
        encoders.encode_mentions([Mention("a", "x", image=picture(tmp_path, "a.png"))], show_progress=False)


def test_large_values_are_cut_to_what_half_precision_holds(tmp_path: Path) -> None:
    class Large(FakeImageEncoder):
        def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
            return np.full((len(prepared), 2), 1e9, dtype=np.float32)

    features = Encoders(None, Large()).encode_mentions([Mention("a", "x", image=picture(tmp_path, "a.png"))], show_progress=False)
    assert np.isfinite(features.channels["image"]).all()


def test_description_names_encoders_lengths_and_identities(tmp_path: Path) -> None:
    described = fake_encoders(cache_dir=tmp_path).describe()
    assert described["text"] == {"name": "fake-text", "revision": None, "dim": 64, "identity": {"kind": "fake-text", "dim": 64}}
    assert (described["image"]["dim"], described["lexical"]["dim"]) == (27, 256)


def test_differences_name_the_channels_that_do_not_fit() -> None:
    own = fake_encoders()
    assert own.differences(fake_encoders().describe()) == []
    other = fake_encoders(image=False, lexical_dim=64).describe()
    assert [line.partition(":")[0] for line in own.differences(other)] == ["image", "lexical"]


def test_another_lexical_length_of_the_same_encoder_shares_the_cache(tmp_path: Path) -> None:
    fake_encoders(cache_dir=tmp_path).encode_mentions([Mention("a", "x")], show_progress=False)
    report = fake_encoders(cache_dir=tmp_path, lexical_dim=32).encode_mentions([Mention("a", "x")], show_progress=False).report
    assert report.channels["name"] == ChannelReport(1, 1, 0, 1)


@pytest.mark.parametrize(
    ("sides", "mention_has", "entity_has"), [("both", True, True), ("mentions", True, False), ("entities", False, True)]
)
def test_pictures_are_read_of_the_sides_that_are_asked_for(tmp_path: Path, sides: str, mention_has: bool, entity_has: bool) -> None:
    path = picture(tmp_path, "a.png")
    encoders = Encoders(None, FakeImageEncoder(), image_sides=sides)
    mentions = encoders.encode_mentions([Mention("m", "Alder", image=path)], show_progress=False)
    entities = encoders.encode_entities([entity("e", path)], show_progress=False)
    for features, expected in ((mentions, mention_has), (entities, entity_has)):
        assert features.present["image"].tolist() == [expected]
        assert features.channels["image"].shape == (1, FakeImageEncoder.dim)
        assert bool(features.channels["image"].any()) == expected
        assert features.report.pictures_named == int(expected)
