import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pgmel.features.descriptor import DIM, ColourLayout, trim_border
from pgmel.pictures import open_picture


def layouts(number: int, seed: int = 0) -> list[Image.Image]:
    """Pictures of a few coloured blocks, as flags and logos are."""
    rng = np.random.default_rng(seed)
    blocks = [rng.integers(0, 256, (rng.integers(1, 4), rng.integers(2, 4), 3)).astype(np.uint8) for _ in range(number)]
    return [Image.fromarray(block).resize((96, 64), Image.Resampling.NEAREST) for block in blocks]


def vectors(pictures: list[Image.Image]) -> np.ndarray:
    encoder = ColourLayout()
    rows = encoder.encode([encoder.prepare(picture) for picture in pictures])
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, dtype=np.float64)


def picture_of(values: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))


def noisy(picture: Image.Image) -> Image.Image:
    return picture_of(pixels(picture) + np.random.default_rng(1).normal(0, 35, pixels(picture).shape))


def faded(picture: Image.Image) -> Image.Image:
    return picture_of(pixels(picture) * 0.5 + 110)


def waved(picture: Image.Image) -> Image.Image:
    values = pixels(picture)
    rows, columns = np.mgrid[: values.shape[0], : values.shape[1]]
    source = np.clip(rows + 4 * np.sin(columns / 12), 0, values.shape[0] - 1).astype(int)
    return picture_of(values[source, columns] * (1 + 0.2 * np.cos(columns / 12))[..., None])


def in_a_margin(picture: Image.Image) -> Image.Image:
    room = Image.new("RGB", (150, 120), (200, 220, 240))
    room.paste(picture, (20, 40))
    return room


DISTORTIONS = {
    "crop": (lambda picture: picture.crop((5, 4, 90, 62)), 0.9),
    "noise": (noisy, 0.95),
    "fade": (faded, 0.95),
    "proportions": (lambda picture: picture.resize((60, 90)), 0.95),
    "rotation": (lambda picture: picture.rotate(6, fillcolor=(255, 255, 255)), 0.9),
    "wave": (waved, 0.9),
    "margin": (in_a_margin, 0.9),
    "blur": (lambda picture: picture.resize((12, 8)).resize((96, 64)), 0.95),
}


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_distorted_picture_finds_its_original(name: str) -> None:
    distort, least = DISTORTIONS[name]
    pictures = layouts(100)
    best = (vectors([distort(picture) for picture in pictures]) @ vectors(pictures).T).argmax(axis=1)
    assert (best == np.arange(100)).mean() >= least


def test_contrast_drops_out() -> None:
    clear = layouts(1)[0]
    faint = picture_of(pixels(clear) * 0.05 + 120)
    encoder, waves = ColourLayout(), slice(0, 65)
    np.testing.assert_allclose(encoder.prepare(faint)[waves], encoder.prepare(clear)[waves], atol=0.08)


def test_colours_alone_tell_pictures_apart() -> None:
    flags = [
        Image.fromarray(np.array([[a], [b]], dtype=np.uint8)).resize((30, 20), Image.Resampling.NEAREST)
        for a, b in (((200, 0, 0), (255, 255, 255)), ((0, 0, 200), (255, 255, 255)), ((255, 255, 255), (200, 0, 0)))
    ]
    similar = vectors(flags) @ vectors(flags).T
    assert similar[~np.eye(3, dtype=bool)].max() < 0.8


def test_even_pictures_differ_by_their_colour() -> None:
    similar = vectors([Image.new("RGB", (9, 9), colour) for colour in ((200, 0, 0), (190, 10, 10), (0, 0, 200))])
    assert (similar @ similar.T)[0, 1] > 0.9 > (similar @ similar.T)[0, 2]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_every_picture_has_a_finite_vector_that_is_not_zero(width: int, height: int, seed: int) -> None:
    picture = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8))
    vector = ColourLayout().prepare(picture)
    assert (vector.shape, vector.dtype) == ((DIM,), np.float32)
    assert np.isfinite(vector).all()
    assert np.linalg.norm(vector) > 0.5


def test_border_is_trimmed_to_what_stands_out() -> None:
    room = Image.new("RGB", (100, 100), (255, 255, 255))
    room.paste((200, 0, 0), (30, 20, 80, 60))
    box = trim_border(room)
    assert box is not None
    np.testing.assert_allclose(box, (30, 20, 80, 60), atol=3)


@pytest.mark.parametrize(
    "picture", [Image.new("RGB", (50, 50), (9, 9, 9)), open_picture(Image.effect_noise((64, 64), 120))], ids=["even", "busy"]
)
def test_without_an_even_border_or_content_nothing_is_trimmed(picture: Image.Image) -> None:
    assert trim_border(picture) is None
