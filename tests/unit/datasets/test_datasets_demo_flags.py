"""The demo's flags show what the facts say, and its renderings still show the flags."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from pgmel.datasets.demo.flags import draw_flag, parse_flag
from pgmel.datasets.demo.gazetteer import load_places, read_data
from pgmel.datasets.demo.mixture import PictureKind
from pgmel.datasets.demo.pictures import PictureJob, write_pictures
from pgmel.datasets.demo.renderings import paint_scenery, photograph
from pgmel.datasets.demo.shapes import SHAPES
from pgmel.pictures import probe_picture

FLAGS = {name: str(description) for name, description in read_data("flags.toml").items()}


def pixel(name: str, x: float, y: float) -> tuple[int, ...]:
    picture = draw_flag(FLAGS[name], 200)
    value = picture.getpixel((min(int(x * picture.width), picture.width - 1), min(int(y * picture.height), picture.height - 1)))
    assert isinstance(value, tuple)
    return value


def hue(name: str, x: float, y: float) -> str:
    red, green, blue = (int(value) for value in pixel(name, x, y))
    if min(red, green, blue) > 220:
        return "white"
    if max(red, green, blue) < 50:
        return "black"
    if red > 180 and green > 150:
        return "yellow"
    return ("red", "green", "blue")[int(np.argmax((red, green, blue)))]


def share_of(name: str, colour: str) -> float:
    rgb = tuple(int(colour[at : at + 2], 16) for at in (0, 2, 4))
    return float((np.abs(np.asarray(draw_flag(FLAGS[name], 200)).astype(int) - rgb).max(axis=2) <= 4).mean())


@pytest.mark.parametrize(
    ("name", "spots"),
    [
        ("france", {(0.1, 0.5): "blue", (0.5, 0.5): "white", (0.9, 0.5): "red"}),
        ("germany", {(0.5, 0.1): "black", (0.5, 0.5): "red", (0.5, 0.9): "yellow"}),
        ("japan", {(0.5, 0.5): "red", (0.1, 0.1): "white", (0.9, 0.9): "white"}),
        ("denmark", {(0.378, 0.1): "white", (0.9, 0.5): "white", (0.1, 0.1): "red", (0.6, 0.2): "red"}),
        ("finland", {(0.36, 0.9): "blue", (0.7, 0.2): "white"}),
        ("republic-of-the-congo", {(0.1, 0.1): "green", (0.5, 0.5): "yellow", (0.05, 0.95): "yellow", (0.9, 0.9): "red"}),
        ("democratic-republic-of-the-congo", {(0.5, 0.5): "red", (0.16, 0.23): "yellow", (0.9, 0.9): "blue", (0.05, 0.97): "red"}),
        ("north-brabant", {(0.05, 0.1): "red", (0.25, 0.1): "white", (0.05, 0.35): "white", (0.95, 0.9): "red"}),
        ("turkey", {(0.18, 0.5): "white", (0.36, 0.5): "red", (0.51, 0.5): "white", (0.9, 0.5): "red"}),
        ("scotland", {(0.5, 0.5): "white", (0.02, 0.02): "white", (0.98, 0.02): "white", (0.5, 0.1): "blue"}),
        ("switzerland", {(0.5, 0.5): "white", (0.75, 0.5): "white", (0.9, 0.5): "red", (0.3, 0.3): "red"}),
        ("sudan", {(0.1, 0.5): "green", (0.5, 0.1): "red", (0.5, 0.5): "white", (0.5, 0.9): "black"}),
        ("greenland", {(0.389, 0.3): "red", (0.389, 0.7): "white", (0.9, 0.2): "white", (0.9, 0.8): "red"}),
        ("galicia-spain", {(0.02, 0.02): "blue", (0.5, 0.5): "blue", (0.1, 0.9): "white"}),
        ("georgia", {(0.5, 0.1): "red", (0.2, 0.2): "red", (0.8, 0.8): "red", (0.35, 0.35): "white"}),
        ("arizona", {(0.1, 0.43): "red", (0.436, 0.11): "yellow", (0.5, 0.1): "red", (0.9, 0.9): "blue"}),
        ("panama", {(0.25, 0.25): "blue", (0.75, 0.25): "red", (0.25, 0.75): "blue", (0.75, 0.75): "red", (0.4, 0.1): "white"}),
        ("canada", {(0.1, 0.5): "red", (0.5, 0.4): "red", (0.3, 0.1): "white", (0.5, 0.95): "white"}),
        ("new-mexico", {(0.5, 0.5): "yellow", (0.58, 0.5): "red", (0.1, 0.1): "yellow"}),
        ("zurich", {(0.2, 0.8): "blue", (0.8, 0.2): "white"}),
    ],
)
def test_flags_have_their_colours_in_their_places(name: str, spots: dict[tuple[float, float], str]) -> None:
    assert {spot: hue(name, *spot) for spot in spots} == spots


def test_stripes_have_the_widths_their_weights_say() -> None:
    assert share_of("spain", "F1BF00") == pytest.approx(0.5, abs=0.01)
    assert share_of("thailand", "2D2A4A") == pytest.approx(1 / 3, abs=0.01)


def test_a_disc_is_round_and_as_large_as_its_radius_says() -> None:
    assert share_of("japan", "BC002D") == pytest.approx(np.pi * 0.3**2 / 1.5, rel=0.02)


def test_a_hoist_triangle_covers_half_of_its_box() -> None:
    assert share_of("bahamas", "000000") == pytest.approx(0.433 / 2, rel=0.02)


def test_a_star_points_up() -> None:
    rows = np.asarray(draw_flag(FLAGS["somalia"], 200).convert("L")) > 200
    top, middle = np.flatnonzero(rows.any(axis=1))[0], rows.shape[1] / 2
    assert np.flatnonzero(rows[top + 1]).mean() == pytest.approx(middle, abs=2)
    assert rows[top + 1].sum() < 8


@pytest.mark.parametrize(("name", "count"), [("united-states", 50), ("samoa", 5), ("community-of-madrid", 7), ("china", 5), ("alaska", 8)])
def test_stars_are_counted(name: str, count: int) -> None:
    picture = np.asarray(draw_flag(FLAGS[name], 400)).astype(int)
    if name == "united-states":
        picture = picture[: int(400 * 7 / 13) - 4, : int(picture.shape[1] * 0.4) - 4]
    background = picture[2, 2]
    stars = np.abs(picture - background).sum(axis=2) > 150
    if name == "samoa":
        stars[200:] = False
        stars[:, picture.shape[1] // 2 - 4 :] = False
    labels, found = ndimage.label(stars)
    assert sum(ndimage.sum(stars, labels, range(1, found + 1)) > 20) == count  # a tip may come loose by a pixel


@pytest.mark.parametrize(
    ("name", "count"), [("greece", 9), ("malaysia", 14), ("federation-of-malaya", 11), ("united-states", 13), ("liberia", 11)]
)
def test_stripes_are_counted(name: str, count: int) -> None:
    column = np.asarray(draw_flag(FLAGS[name], 400)).astype(int)[:, -5]
    changes = np.abs(np.diff(column, axis=0)).sum(axis=1) > 60  # a softened edge changes twice in a row
    assert 1 + ndimage.label(changes)[1] == count


def test_red_arms_of_the_union_jack_lie_below_the_diagonal_at_the_hoist_and_above_it_at_the_fly() -> None:
    assert hue("united-kingdom", 0.2, 0.2 + 0.03) == "red"
    assert hue("united-kingdom", 0.2, 0.2 - 0.03) == "white"
    assert hue("united-kingdom", 0.8, 0.8 - 0.03) == "red"
    assert hue("united-kingdom", 0.8, 0.8 + 0.03) == "white"
    assert hue("united-kingdom", 0.2, 0.8 + 0.03) == "red"
    assert hue("united-kingdom", 0.8, 0.2 - 0.03) == "red"


def test_korean_trigrams_are_heaven_water_fire_and_earth() -> None:
    picture = np.asarray(draw_flag(FLAGS["south-korea"], 400).convert("L")) < 60
    height, width = picture.shape
    corners = {
        "heaven": picture[: height // 2, : width // 3],
        "water": picture[: height // 2, -width // 3 :],
        "fire": picture[height // 2 :, : width // 3],
        "earth": picture[height // 2 :, -width // 3 :],
    }
    assert {name: ndimage.label(part)[1] for name, part in corners.items()} == {"heaven": 3, "water": 5, "fire": 4, "earth": 6}


@pytest.mark.parametrize("name", sorted(FLAGS))
def test_every_flag_can_be_drawn_in_its_own_proportions(name: str) -> None:
    flag = parse_flag(FLAGS[name])
    picture = draw_flag(flag, 60)
    assert picture.mode == "RGB"
    assert picture.height == 60
    assert picture.width == pytest.approx(60 / flag.ratio, abs=1)
    assert 0.4 <= flag.ratio <= 1


def test_every_shape_is_used_by_some_flag() -> None:
    used = {layer.split()[0] for description in FLAGS.values() for layer in description.split("|")[1:]}
    assert set(SHAPES) <= used


@pytest.mark.parametrize(
    ("description", "complaint"),
    [("2:3 | blob fff", "unknown layer 'blob'"), ("2:3 | field green", "'green' is not a colour"), ("2:3 | h ff", "'ff'")],
)
def test_a_description_with_a_mistake_is_refused(description: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_flag(description)


def test_a_rendering_depends_on_nothing_but_its_source_of_randomness() -> None:
    flag = draw_flag(FLAGS["norway"], 88)
    again = [photograph(flag, np.random.default_rng(7)).tobytes() for _ in range(2)]
    assert again[0] == again[1]
    assert len({photograph(flag, np.random.default_rng(seed)).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize("seed", range(30))
def test_renderings_are_small_colour_pictures(seed: int) -> None:
    names = sorted(FLAGS)
    picture = photograph(draw_flag(FLAGS[names[seed * 7 % len(names)]], 88), np.random.default_rng(seed))
    assert picture.mode == "RGB"
    assert 112 <= max(picture.size) <= 152
    assert min(picture.size) >= 16
    assert paint_scenery(np.random.default_rng(seed)).mode == "RGB"


def embed(picture: Image.Image) -> np.ndarray:
    pixels = np.asarray(picture.resize((8, 8), Image.Resampling.BOX), dtype=float)
    pixels = pixels - pixels.mean()
    return pixels.ravel() / np.linalg.norm(pixels)


def test_most_renderings_still_resemble_their_flag_and_some_do_not() -> None:
    names = ["france", "germany", "japan", "denmark", "sweden", "canada", "china", "greece", "israel", "gabon", "panama", "bangladesh"]
    flags = [draw_flag(FLAGS[name], 88) for name in names]
    known = np.stack([embed(flag) for flag in flags])
    found = [
        int(np.argmax(known @ embed(photograph(flag, np.random.default_rng((seed, row)))))) == row
        for row, flag in enumerate(flags)
        for seed in range(15)
    ]
    assert 0.5 < np.mean(found) < 0.98


def test_picture_files_of_every_kind_are_written(tmp_path: Path) -> None:
    flag = draw_flag(FLAGS["peru"], 88)
    kinds: tuple[PictureKind, ...] = ("flag", "scenery", "missing", "truncated", "empty", "not_a_picture")
    shown = {kind: None if kind == "scenery" else flag for kind in kinds}
    write_pictures(PictureJob(tmp_path / f"{kind}.jpg", kind, shown[kind], (1, row)) for row, kind in enumerate(kinds))
    assert {file.stem for file in tmp_path.iterdir()} == set(kinds) - {"missing"}
    assert (tmp_path / "empty.jpg").read_bytes() == b""
    assert (tmp_path / "not_a_picture.jpg").read_bytes().startswith(b"<!DOCTYPE html>")
    assert probe_picture(tmp_path / "flag.jpg") is None
    assert probe_picture(tmp_path / "scenery.jpg") is None
    fault = probe_picture(tmp_path / "truncated.jpg")
    assert fault is not None
    assert fault.kind == "broken"


def test_a_failing_picture_stops_the_writing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_pictures([PictureJob(tmp_path / "no such folder" / "1.jpg", "scenery", None, (1,))])


def test_pictures_of_places_without_a_drawable_flag_are_left_out() -> None:
    without = [place.id for place in load_places() if place.in_kb and place.flag is None]
    assert {"mexico", "egypt", "northern-ireland", "american-samoa"} <= set(without)
