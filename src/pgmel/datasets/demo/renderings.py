"""Other pictures of a flag than the knowledge base's: waved, cropped, on a pole, faded, noisy; and pictures that show no flag."""

from typing import Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

__all__ = ["paint_scenery", "photograph"]

_SKIES: Final = ((146, 182, 219), (196, 213, 226), (112, 151, 201), (205, 205, 203), (232, 206, 178))
_GROUNDS: Final = ((88, 110, 66), (140, 122, 92), (70, 96, 120), (96, 92, 88), (176, 160, 120))
_LONG_SIDE: Final = (112, 152)
_LUMA: Final = np.array([0.299, 0.587, 0.114])


def photograph(flag: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Render a flag as somebody might have photographed or printed it.

    Args:
        flag: The flag, RGB.
        rng: Source of every choice.

    Returns:
        An RGB picture, its long side 112 to 152 pixels.
    """
    picture = _stretch(flag, rng)
    setting = rng.choice(["cloth", "pole", "crop", "print"], p=[0.3, 0.28, 0.24, 0.18])
    if setting == "cloth":
        picture = _turn(_wave(picture, _pick(_SKIES, rng), rng), rng, 6)
    elif setting == "pole":
        picture = _hoist(_wave(picture, None, rng), rng)
    elif setting == "crop":
        picture = _crop(_turn_and_trim(picture, rng, 10), rng, smallest=0.68)
    else:
        picture = _print(picture, rng)
    if rng.random() < 0.25:
        picture = _crop(picture, rng, smallest=0.85)
    return _develop(picture, rng)


def paint_scenery(rng: np.random.Generator) -> Image.Image:
    """Paint a landscape without any flag: sky, hills or sea, and a sun at times."""
    width, height = 120, 80
    picture = _paint_sky(width, height, rng)
    draw = ImageDraw.Draw(picture)
    if rng.random() < 0.5:
        x, y, radius = (int(rng.integers(*limits)) for limits in ((10, 110), (8, 32), (4, 10)))
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(250, 232, 160))
    for layer in range(int(rng.integers(1, 4))):
        base = 36 + 13 * layer + rng.uniform(-5, 5)
        xs = np.arange(0, width + 10, 10)
        ys = base + rng.uniform(0, 11) * np.sin(xs / rng.uniform(14, 40) + rng.uniform(0, 6))
        ridge = [(float(x), float(y)) for x, y in zip(xs, ys, strict=True)]
        draw.polygon([(0, height), *ridge, (width + 10, height)], fill=_jitter(_pick(_GROUNDS, rng), rng))
    return _develop(picture, rng)


def _pick(colours: tuple[tuple[int, int, int], ...], rng: np.random.Generator) -> tuple[int, int, int]:
    return colours[int(rng.integers(len(colours)))]


def _jitter(colour: tuple[int, int, int], rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(np.clip(value + rng.integers(-18, 19), 0, 255)) for value in colour)
    return red, green, blue


def _stretch(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    width = round(picture.width * rng.uniform(0.78, 1.22))
    return picture.resize((width, picture.height), Image.Resampling.BILINEAR)


def _turn(picture: Image.Image, rng: np.random.Generator, most: float) -> Image.Image:
    """Turn by up to ``most`` degrees before a sky."""
    return picture.rotate(float(rng.uniform(-most, most)), Image.Resampling.BILINEAR, expand=True, fillcolor=_pick(_SKIES, rng))


def _turn_and_trim(picture: Image.Image, rng: np.random.Generator, most: float) -> Image.Image:
    """Turn by up to ``most`` degrees and cut off what the turn leaves empty at the borders."""
    angle = float(rng.uniform(-most, most))
    slack = abs(np.sin(np.radians(angle))) / 2
    across, down = min(picture.height * slack, picture.width / 5), min(picture.width * slack, picture.height / 5)
    box = (round(across), round(down), round(picture.width - across), round(picture.height - down))
    return picture.rotate(angle, Image.Resampling.BILINEAR).crop(box)


def _wave(picture: Image.Image, background: tuple[int, int, int] | None, rng: np.random.Generator) -> Image.Image:
    """Let the cloth wave, freer towards the fly, with light and shade on its folds; no background leaves it transparent."""
    pixels = np.asarray(picture)
    height, width = pixels.shape[:2]
    reach = int(height * rng.uniform(0.04, 0.1))
    along = np.linspace(0, 1, width)
    phase = 2 * np.pi * along * rng.uniform(0.8, 2.2) + rng.uniform(0, 2 * np.pi)
    lift = reach * np.sin(phase) * (0.25 + 0.75 * along) + height * rng.uniform(-0.08, 0.08) * along
    margin = int(np.ceil(np.abs(lift).max()))
    rows = np.arange(height + 2 * margin)[:, None] - margin - np.rint(lift).astype(int)[None, :]
    inside = (rows >= 0) & (rows < height)
    waved = pixels[rows.clip(0, height - 1), np.arange(width)[None, :]]
    shade = (1 - rng.uniform(0.1, 0.3) * (0.5 + 0.5 * np.cos(phase + 0.6))).astype(np.float32)
    waved = (waved * shade[None, :, None]).astype(np.uint8)
    if background is None:
        return Image.fromarray(np.dstack([waved, inside.astype(np.uint8) * np.uint8(255)]), "RGBA")
    waved[~inside] = background
    return Image.fromarray(waved, "RGB")


def _paint_sky(width: int, height: int, rng: np.random.Generator) -> Image.Image:
    top, bottom = (np.array(_jitter(_pick(_SKIES, rng), rng), dtype=np.float32) for _ in range(2))
    ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return Image.fromarray(np.broadcast_to(top * (1 - ramp) + bottom * ramp, (height, width, 3)).astype(np.uint8), "RGB")


def _hoist(cloth: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Hang the cloth on a pole before the sky, sometimes with ground below."""
    share = rng.uniform(0.6, 0.88)
    width, height = round(cloth.width / share), round(cloth.height / rng.uniform(0.6, 0.88))
    picture = _paint_sky(width, height, rng)
    draw = ImageDraw.Draw(picture)
    if rng.random() < 0.5:
        draw.rectangle((0, round(height * rng.uniform(0.84, 0.95)), width, height), fill=_jitter(_pick(_GROUNDS, rng), rng))
    left = int(rng.integers(3, max(4, width - cloth.width - 2)))
    top = int(rng.integers(0, max(1, (height - cloth.height) // 2 + 1)))
    draw.rectangle((left - 3, top, left, height), fill=(120, 116, 110))
    picture.paste(cloth, (left, top), cloth)
    return picture


def _crop(picture: Image.Image, rng: np.random.Generator, smallest: float) -> Image.Image:
    width, height = (round(side * rng.uniform(smallest, 0.95)) for side in picture.size)
    left, top = int(rng.integers(picture.width - width + 1)), int(rng.integers(picture.height - height + 1))
    return picture.crop((left, top, left + width, top + height))


def _print(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Show the flag as a small print: a paper border, laid down a little askew."""
    paper = _jitter((238, 232, 216), rng)
    picture = ImageOps.expand(picture, int(picture.height * rng.uniform(0.04, 0.14)), paper)
    table = _jitter((150, 130, 110), rng)
    return picture.rotate(float(rng.uniform(-12, 12)), Image.Resampling.BILINEAR, expand=True, fillcolor=table)


def _develop(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Shrink, and age: light, contrast, faded colours, a cast, blur, noise."""
    scale = rng.uniform(*_LONG_SIDE) / max(picture.size)
    size = (max(16, round(picture.width * scale)), max(16, round(picture.height * scale)))
    picture = picture.resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.6, 1.6))))
    pixels = np.asarray(picture, dtype=np.float32)
    saturation = rng.uniform(0.3, 0.7) if rng.random() < 0.3 else rng.uniform(0.75, 1.1)
    contrast, light = rng.uniform(0.65, 1.1), rng.uniform(-28, 28)
    cast = rng.uniform(0.82, 1.12, size=3) if rng.random() < 0.4 else np.ones(3)
    mixing = saturation * np.eye(3) + (1 - saturation) * _LUMA[:, None]  # fading moves every colour towards its own grey
    pixels = pixels @ (mixing * contrast * cast).astype(np.float32) + ((128 * (1 - contrast) + light) * cast).astype(np.float32)
    if rng.random() < 0.35:
        pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * np.float32(rng.uniform(5, 18))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8), "RGB")
