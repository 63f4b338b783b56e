"""The same encoder over five parts of a picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pgmel.features import NUM_PARTS, Encoders
from pgmel.features.descriptor import ColourLayout
from pgmel.features.picture_parts import PictureParts, cut_parts
from pgmel.records import Mention
from pgmel.testing import FakeImageEncoder


def quarters(size: tuple[int, int] = (100, 80)) -> Image.Image:
    """A picture whose quarters have colours of their own."""
    colours = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], dtype=np.uint8)
    return Image.fromarray(colours).resize(size, Image.Resampling.NEAREST)


def test_the_corners_hold_their_own_colour_and_the_centre_all_four() -> None:
    parts = cut_parts(quarters())
    assert len(parts) == NUM_PARTS
    assert {part.size for part in parts} == {(60, 48)}
    corners = [((0, 0), (255, 0, 0)), ((59, 0), (0, 255, 0)), ((0, 47), (0, 0, 255)), ((59, 47), (255, 255, 0))]
    for part, (place, colour) in zip(parts, corners, strict=False):
        assert part.getpixel(place) == colour
    assert {colour for _, colour in parts[4].getcolors()} == {colour for _, colour in corners}


def test_an_even_border_is_cut_off_first() -> None:
    room = Image.new("RGB", (200, 200), (255, 255, 255))
    room.paste(quarters(), (50, 60))
    for part in cut_parts(room):  # the border is found on a grid of 64 cells, so a thin edge may stay
        assert sum(number for number, colour in part.getcolors() if colour == (255, 255, 255)) < 0.1 * np.prod(part.size)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (300, 3)])
def test_tiny_and_narrow_pictures_have_parts_of_at_least_a_pixel(size: tuple[int, int]) -> None:
    assert all(min(part.size) >= 1 for part in cut_parts(quarters(size)))


def test_vectors_of_the_parts_stand_side_by_side_in_their_order() -> None:
    inner = ColourLayout()
    parts = PictureParts(inner)
    pictures = [quarters(), quarters().rotate(180)]
    rows = parts.encode([parts.prepare(picture) for picture in pictures])
    expected = [inner.encode([inner.prepare(part) for part in cut_parts(picture)]).ravel() for picture in pictures]
    np.testing.assert_array_equal(rows, np.stack(expected))


def test_parts_are_cached_apart_from_whole_pictures() -> None:
    assert PictureParts(ColourLayout()).identity != ColourLayout().identity
    assert PictureParts(ColourLayout()).identity != PictureParts(FakeImageEncoder()).identity


def test_encoders_give_every_picture_channel_the_same_rows(tmp_path: Path) -> None:
    quarters().save(tmp_path / "there.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    inner = FakeImageEncoder()
    encoders = Encoders(None, inner, more_image={"image_parts": PictureParts(inner), "image_layout": ColourLayout()})
    mentions = [Mention(name, name, name, image=tmp_path / f"{name}.png") for name in ("broken", "there", "missing")]
    features = encoders.encode_mentions(mentions, show_progress=False)
    names = ("image", "image_parts", "image_layout")
    assert all(np.array_equal(features.present[name], [False, True, False]) for name in names)
    assert features.channels["image_parts"].shape[1] == NUM_PARTS * features.channels["image"].shape[1]
    # A picture is counted once, however many encoders look at it.
    report = features.report
    assert (report.pictures_named, report.pictures_missing, report.pictures_broken) == (3, 1, 1)


def test_encoders_of_other_views_are_noticed(tmp_path: Path) -> None:
    plain = Encoders.load(text_encoder="none", image_encoder="descriptor", cache_dir=tmp_path)
    parts = Encoders.load(text_encoder="none", image_encoder="descriptor", cache_dir=tmp_path, image_parts=True)
    (difference,) = parts.differences(plain.describe())
    assert "image_parts" in difference
