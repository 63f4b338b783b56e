"""Which pictures show the same."""

from pathlib import Path

import numpy as np
import pytest
from audit_data import draw
from PIL import Image, ImageEnhance

from pgmel.datasets.picture_files import TWIN_DISTANCE, PictureLook, are_twins, find_twins, look_at_pictures


def look(picture: Image.Image, folder: Path, name: str = "x.png") -> PictureLook:
    picture.save(folder / name)
    return look_at_pictures([folder / name], show_progress=False)[folder / name]


@pytest.fixture
def original(tmp_path: Path) -> Image.Image:
    return Image.open(draw(tmp_path / "original.jpg", 1)).convert("RGB")


def heart(colour: tuple[int, int, int], background: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """A shape on white; in any colour its grey values have the same signs."""
    picture = Image.new("RGB", (64, 64), background)
    picture.paste(colour, (12, 8, 50, 40))
    picture.paste(colour, (24, 40, 38, 58))
    return picture


def test_a_copy_is_a_twin_at_another_size_quality_brightness_and_without_colours(original: Image.Image, tmp_path: Path) -> None:
    here = look(original, tmp_path)
    original.save(tmp_path / "low.jpg", quality=25)
    copies = {
        "smaller": original.resize((60, 52)),
        "low quality": Image.open(tmp_path / "low.jpg"),
        "brighter": ImageEnhance.Brightness(original).enhance(1.1),
        "grey": original.convert("L"),
    }
    assert {name: are_twins(here, look(copy, tmp_path)) for name, copy in copies.items()} == dict.fromkeys(copies, True)


def test_another_picture_is_no_twin(original: Image.Image, tmp_path: Path) -> None:
    other = look_at_pictures([draw(tmp_path / "other.jpg", 2)], show_progress=False)[tmp_path / "other.jpg"]
    assert not are_twins(look(original, tmp_path), other)


def test_the_same_shape_in_another_colour_is_no_twin(tmp_path: Path) -> None:
    red, green = look(heart((220, 40, 40)), tmp_path), look(heart((40, 160, 40)), tmp_path)
    assert red.hash is not None
    assert green.hash is not None
    assert (red.hash ^ green.hash).bit_count() <= TWIN_DISTANCE
    assert not are_twins(red, green)
    assert not are_twins(green, red)


def test_a_grey_picture_is_a_twin_of_one_in_colours_from_both_sides(tmp_path: Path) -> None:
    red, grey = look(heart((220, 40, 40)), tmp_path), look(heart((220, 40, 40)).convert("L"), tmp_path)
    assert grey.colours == b""
    assert are_twins(red, grey)
    assert are_twins(grey, red)


def test_blank_pictures_are_twins_of_nothing(tmp_path: Path) -> None:
    blank = look(Image.new("RGB", (50, 50), (250, 250, 250)), tmp_path)
    assert blank.hash is None
    assert blank.digest
    assert not are_twins(blank, blank)
    assert find_twins([blank], [blank], show_progress=False) == {}


def test_a_picture_that_cannot_be_opened_is_a_twin_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_text("<html>")
    looks = look_at_pictures([tmp_path / "page.jpg", tmp_path / "gone.jpg"], show_progress=False)
    assert [(item.fault, item.digest) for item in looks.values()] == [("unsupported", ""), ("missing", "")]
    page = looks[tmp_path / "page.jpg"]
    assert not are_twins(page, page)


def random_looks(count: int, seed: int) -> list[PictureLook]:
    """Hashes around a few centres, in a few colours; some blank, some grey."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).integers(0, 1 << 63, 6, dtype=np.uint64)
    palette = np.random.default_rng(1).integers(0, 120, (3, 128), dtype=np.uint8)
    looks = []
    for _ in range(count):
        flips = sum(1 << int(bit) for bit in rng.choice(64, rng.integers(0, 6), replace=False))
        colours = b"" if rng.random() < 0.1 else palette[rng.integers(3)].tobytes()
        looks.append(PictureLook(hash=None if rng.random() < 0.1 else int(centres[rng.integers(6)]) ^ flips, colours=colours))
    return looks


@pytest.mark.parametrize("pairs", [1, 64, 1 << 20])
def test_twins_are_found_as_by_comparing_one_by_one(pairs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgmel.datasets.picture_files._PAIRS", pairs)
    ours, theirs = random_looks(60, 2), random_looks(80, 3)
    found = find_twins(ours, theirs, show_progress=False)
    for row, look in enumerate(ours):
        twins = [other for other, there in enumerate(theirs) if are_twins(look, there)]
        assert (row in found) == bool(twins)
        if twins:
            distance = [((look.hash or 0) ^ (theirs[other].hash or 0)).bit_count() for other in twins]
            assert found[row] == twins[int(np.argmin(distance))]
    assert 10 < len(found) < 60
