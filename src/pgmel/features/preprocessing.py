"""Resize, crop, rescale and normalise pictures as a Hugging Face ``preprocessor_config.json`` says, without transformers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import numpy as np
from PIL import Image

from pgmel.errors import DataError, EncoderError
from pgmel.files import read_json

__all__ = ["Preprocessing"]


@final
@dataclass(frozen=True)
class Preprocessing:
    """The steps, in their order; a step that is None is left out.

    ``size`` is (height, width), or one number for the shortest side; ``crop`` is (height, width) around the centre.
    """

    size: tuple[int, int] | int | None = (224, 224)
    resample: Image.Resampling = Image.Resampling.BILINEAR
    crop: tuple[int, int] | None = None
    factor: float | None = 1 / 255
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a ``preprocessor_config.json``.

        Raises:
            EncoderError: If the file is missing, damaged, or asks for something that is not implemented.
        """
        try:
            config = read_json(file)
        except DataError as error:
            raise EncoderError(f"{error}. It says how pictures are resized and normalised, and stands beside model.onnx") from None
        if not isinstance(config, dict):
            raise EncoderError(f"{file} must hold a JSON object")
        try:
            return cls._from_config(config)
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"{file}: {error.args[0] if error.args else error}") from None

    @classmethod
    def _from_config(cls, config: Mapping[str, Any]) -> Self:
        if config.get("do_pad"):
            raise ValueError("do_pad is not implemented")
        normalises = bool(config.get("do_normalize", "image_mean" in config))
        return cls(
            size=_size(config.get("size"), "size") if config.get("do_resize", "size" in config) else None,
            resample=Image.Resampling(config.get("resample", 2)),
            crop=_box(config.get("crop_size"), "crop_size") if config.get("do_center_crop") else None,
            factor=float(config.get("rescale_factor", 1 / 255)) if config.get("do_rescale", True) else None,
            mean=_three(config.get("image_mean"), "image_mean") if normalises else None,
            std=_three(config.get("image_std"), "image_std") if normalises else None,
        )

    @property
    def target(self) -> int | None:
        """Longest side that is asked for."""
        return max(self.size) if isinstance(self.size, tuple) else self.size

    def apply(self, picture: Image.Image) -> np.ndarray:
        """Return the (3, height, width) float32 pixels of an RGB picture."""
        if self.size is not None:
            height, width = self.size if isinstance(self.size, tuple) else _shortest(picture, self.size)
            picture = picture.resize((width, height), self.resample)
        pixels = np.asarray(picture, dtype=np.float32).transpose(2, 0, 1)
        if self.crop is not None:
            pixels = _crop(pixels, *self.crop)
        if self.factor is not None:
            pixels = pixels * np.float32(self.factor)
        if self.mean is not None and self.std is not None:
            pixels = (pixels - _column(self.mean)) / _column(self.std)
        return np.ascontiguousarray(pixels, dtype=np.float32)


def _shortest(picture: Image.Image, side: int) -> tuple[int, int]:
    width, height = picture.size
    if width <= height:
        return int(side * height / width), side
    return side, int(side * width / height)


def _crop(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Cut the centre out; where the picture is smaller, black fills the rest."""
    _, have_height, have_width = pixels.shape
    if have_height < height or have_width < width:
        room = np.zeros((3, max(height, have_height), max(width, have_width)), dtype=pixels.dtype)
        top, left = -((have_height - room.shape[1]) // 2), -((have_width - room.shape[2]) // 2)
        room[:, top : top + have_height, left : left + have_width] = pixels
        pixels, (_, have_height, have_width) = room, room.shape
    top, left = (have_height - height) // 2, (have_width - width) // 2
    return pixels[:, top : top + height, left : left + width]


def _size(value: Any, name: str) -> tuple[int, int] | int:
    if isinstance(value, Mapping) and set(value) == {"shortest_edge"}:
        return _whole(value["shortest_edge"], name)
    return _box(value, name)


def _box(value: Any, name: str) -> tuple[int, int]:
    if isinstance(value, Mapping) and {"height", "width"} <= set(value):
        return _whole(value["height"], name), _whole(value["width"], name)
    if isinstance(value, Mapping) or value is None:
        raise ValueError(f"{name} must give height and width, got {value!r}")
    return _whole(value, name), _whole(value, name)


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of pixels from 1 on, got {value!r}")
    return value


def _three(value: Any, name: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != 3:
        raise ValueError(f"{name} must hold three numbers, got {value!r}")
    numbers = tuple(float(number) for number in value)
    if name == "image_std" and 0 in numbers:
        raise ValueError("image_std must not hold a zero")
    return numbers


def _column(values: tuple[float, ...]) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)[:, None, None]
