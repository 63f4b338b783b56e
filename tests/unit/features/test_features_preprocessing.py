import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pgmel.errors import EncoderError
from pgmel.features.preprocessing import Preprocessing

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]


def picture(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8))


def written(folder: Path, **config: Any) -> Path:
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


@pytest.mark.parametrize("size", [(50, 40), (31, 50), (50, 31), (32, 32), (9, 200), (300, 20)])
@pytest.mark.parametrize(
    "config",
    [
        {"size": {"height": 32, "width": 24}, "resample": 2},
        {"size": {"shortest_edge": 32}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}, "resample": 3},
        {"size": {"shortest_edge": 20}, "do_center_crop": True, "crop_size": {"height": 33, "width": 28}, "resample": 3},
        {"size": {"height": 16, "width": 16}, "do_normalize": False, "resample": 0},
        {"size": {"height": 16, "width": 16}, "do_rescale": False, "do_normalize": False, "resample": 1},
        {"size": {"height": 16, "width": 16}, "rescale_factor": 0.01, "resample": 2},
    ],
)
@pytest.mark.usefixtures("quiet_transformers")
def test_pixels_equal_those_of_transformers(tmp_path: Path, config: dict[str, Any], size: tuple[int, int]) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    config = {"do_resize": True, "do_center_crop": False, "do_normalize": True, "image_mean": MEAN, "image_std": STD} | config
    expected = CLIPImageProcessorPil(**config)(images=picture(*size), return_tensors="np")["pixel_values"][0]
    got = Preprocessing.read(written(tmp_path, **config)).apply(picture(*size))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_numbers_for_sizes_mean_squares(tmp_path: Path) -> None:
    steps = Preprocessing.read(written(tmp_path, size=16, do_center_crop=True, crop_size=12))
    assert steps.apply(picture(30, 20)).shape == (3, 12, 12)
    assert steps.target == 16


def test_without_resizing_the_size_stays(tmp_path: Path) -> None:
    assert Preprocessing.read(written(tmp_path, do_resize=False)).apply(picture(30, 20)).shape == (3, 20, 30)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"do_pad": True}, "do_pad"),
        ({"size": {"longest_edge": 9}}, "size must give height and width"),
        ({"size": {"height": "9", "width": 9}}, "whole number"),
        ({"size": 0}, "whole number"),
        ({"size": 9, "resample": 77}, "77"),
        ({"size": 9, "do_center_crop": True}, "crop_size"),
        ({"size": 9, "image_mean": [0.5], "image_std": STD}, "image_mean must hold three numbers"),
        ({"size": 9, "image_mean": MEAN, "image_std": [1, 0, 1]}, "image_std must not hold a zero"),
        ({"size": 9, "do_normalize": True}, "image_mean"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    file = written(tmp_path, **config)
    with pytest.raises(EncoderError, match=said) as caught:
        Preprocessing.read(file)
    assert str(file) in str(caught.value)


def test_a_missing_or_damaged_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "preprocessor_config.json"
    with pytest.raises(EncoderError, match=r"does not exist.*beside model\.onnx"):
        Preprocessing.read(file)
    file.write_text("{", encoding="utf-8")
    with pytest.raises(EncoderError, match="not valid JSON"):
        Preprocessing.read(file)
    file.write_text("[]", encoding="utf-8")
    with pytest.raises(EncoderError, match="must hold a JSON object"):
        Preprocessing.read(file)
