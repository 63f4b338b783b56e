import contextlib
import io
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from pgmel.pictures import MAX_PIXELS, PictureFault, open_picture, probe_picture

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(picture: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of some 60 bytes whose header claims any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def fault_of(source: Path | bytes) -> PictureFault:
    with pytest.raises(PictureFault) as caught:
        open_picture(source)
    return caught.value


def photo(width: int = 40, height: int = 30) -> Image.Image:
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3)
    return Image.fromarray(ramp.astype(np.uint8))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM"])
def test_common_formats_open_as_rgb(form: str) -> None:
    picture = open_picture(encoded(Image.new("RGB", (5, 4), RED), form))
    assert (picture.mode, picture.size) == ("RGB", (5, 4))
    assert np.abs(np.array(picture.getpixel((2, 2))) - RED).max() <= 3


@pytest.mark.parametrize(
    ("size", "pixels"), [((50_000, 50_000), "64,000,000"), ((8_500, 8_500), "8,500 x 8,500"), ((12_000, 11_000), "12,000 x 11,000")]
)
def test_decompression_bomb_is_refused_from_its_header(size: tuple[int, int], pixels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: ImageFile.ImageFile) -> None:
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    start = time.perf_counter()
    fault = fault_of(png_claiming(*size))
    assert fault.kind == "too_large"
    assert pixels in fault.reason
    assert time.perf_counter() - start < 1


def test_max_pixels_is_an_inclusive_limit() -> None:
    content = encoded(Image.new("RGB", (10, 10)), "PNG")
    assert open_picture(content, max_pixels=100).size == (10, 10)
    with pytest.raises(PictureFault, match="10 x 10 pixels are more than 99"):
        open_picture(content, max_pixels=99)
    with pytest.raises(PictureFault, match="more than 99"):
        open_picture(Image.new("RGB", (10, 10)), max_pixels=99)


def test_zero_bytes_are_empty(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert fault_of(tmp_path / "a.png").kind == "empty"
    assert fault_of(b"").kind == "empty"


def test_missing_file_is_missing(tmp_path: Path) -> None:
    assert fault_of(tmp_path / "none.png").kind == "missing"
    assert fault_of(tmp_path / "a\0b.png").kind == "missing"
    (tmp_path / "file").write_bytes(b"x")
    assert fault_of(tmp_path / "file" / "a.png").kind == "missing"


def test_folder_in_place_of_a_picture_is_unsupported(tmp_path: Path) -> None:
    fault = fault_of(tmp_path)
    assert (fault.kind, "folder" in fault.reason) == ("unsupported", True)


def test_named_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert fault_of(tmp_path / "pipe.png").kind == "unsupported"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html><html>404</html>", "HTML page"),
        (b"\n<html><body>", "HTML page"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        (b"plain text, no picture", "b'plain te'"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, said: str) -> None:
    fault = fault_of(content)
    assert fault.kind == "unsupported"
    assert said in fault.reason


def test_postscript_is_not_run() -> None:
    assert fault_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n").kind == "unsupported"


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_truncated_picture_is_broken(form: str) -> None:
    content = encoded(photo(200, 150), form)
    assert fault_of(content[: len(content) // 2]).kind == "broken"


def test_corrupt_bytes_inside_a_png_are_broken() -> None:
    content = bytearray(encoded(photo(), "PNG"))
    content[60:70] = b"\xff" * 10
    assert fault_of(bytes(content)).kind == "broken"


def test_animation_gives_its_first_frame() -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in (RED, (0, 255, 0), (0, 0, 255))]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert open_picture(content).getpixel((3, 3)) == RED


def test_cmyk_jpeg_keeps_its_colours() -> None:
    colour = open_picture(encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG")).getpixel((8, 8))
    assert np.abs(np.array(colour) - RED).max() <= 8


@pytest.mark.parametrize("transparency", [0, bytes([0, 255]), bytes([128, 255])], ids=["index", "table", "half"])
def test_transparent_palette_lies_on_white(transparency: int | bytes) -> None:
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 1), 1)
    opened = open_picture(encoded(picture, "PNG", transparency=transparency))
    assert opened.getpixel((0, 0)) == ((255, 127, 127) if transparency == bytes([128, 255]) else WHITE)
    assert opened.getpixel((1, 1)) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_laid_on_white(mode: str) -> None:
    opened = open_picture(encoded(Image.new(mode, (4, 4), (0,) * len(mode)), "PNG"))
    assert opened.getpixel((0, 0)) == WHITE


@pytest.mark.parametrize(("form", "kind"), [("PNG", np.uint16), ("TIFF", np.uint16), ("TIFF", np.int32), ("TIFF", np.float32)])
def test_deep_grey_is_scaled_not_clipped(form: str, kind: type) -> None:
    ramp = np.linspace(0, 65535, 64).reshape(8, 8).astype(kind)
    grey = np.asarray(open_picture(encoded(Image.fromarray(ramp), form)))[..., 0]
    np.testing.assert_allclose(grey.ravel(), np.linspace(0, 255, 64), atol=1)


@pytest.mark.parametrize(("kind", "bright"), [(np.uint16, 1000), (np.int32, 1000), (np.int32, 200)])
def test_dark_deep_grey_stays_dark(kind: type, bright: int) -> None:
    grey = np.asarray(open_picture(encoded(Image.fromarray(np.full((4, 4), bright, dtype=kind)), "TIFF")))
    assert grey.max() == (200 if bright == 200 else round(1000 / 257))


def test_one_bit_picture_opens() -> None:
    assert open_picture(encoded(Image.new("1", (3, 3), 1), "PNG")).getpixel((0, 0)) == WHITE


def test_exif_rotation_is_applied() -> None:
    picture = Image.new("RGB", (8, 4), WHITE)
    picture.paste(RED, (0, 0, 4, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise shows it upright
    opened = open_picture(encoded(picture, "JPEG", exif=exif, quality=95, subsampling=0))
    assert opened.size == (4, 8)
    assert np.abs(np.array(opened.getpixel((2, 1))) - RED).max() < 60
    assert np.abs(np.array(opened.getpixel((2, 6))) - WHITE).max() < 60


def test_damaged_exif_does_not_hide_the_picture() -> None:
    content = encoded(Image.new("RGB", (8, 4), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 20)
    assert open_picture(content).size == (8, 4)


def test_odd_data_give_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    open_picture(encoded(Image.new("RGB", (8, 4), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\xff" * 20))
    assert not recwarn.list


@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)])
def test_extreme_sizes_open(size: tuple[int, int]) -> None:
    assert open_picture(encoded(Image.new("RGB", size, RED), "PNG")).size == size


def test_target_decodes_a_large_jpeg_at_lower_resolution() -> None:
    content = encoded(photo(1600, 1200), "JPEG")
    small = open_picture(content, target=100)
    assert 200 <= min(small.size) < 600
    assert open_picture(content).size == (1600, 1200)


def test_picture_in_memory_is_converted_and_left_as_it_is() -> None:
    source = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert open_picture(source).getpixel((0, 0)) == WHITE
    assert (source.mode, source.getpixel((0, 0))) == ("RGBA", (0, 0, 0, 0))
    plain = Image.new("RGB", (4, 4), RED)
    open_picture(plain).putpixel((0, 0), WHITE)
    assert plain.getpixel((0, 0)) == RED


def test_probe_agrees_with_opening(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(encoded(photo(300, 200), "JPEG"))
    bad.write_bytes(good.read_bytes()[:-400])
    assert probe_picture(good) is None
    fault = probe_picture(bad)
    assert fault is not None
    assert fault.kind == "broken"


@pytest.mark.parametrize("make", [lambda c: c[::-1], lambda c: c[:30] + c[40:], lambda c: c * 2], ids=["reversed", "cut", "doubled"])
def test_mangled_bytes_never_raise_anything_else(make: Callable[[bytes], bytes]) -> None:
    for form in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "ICO"):
        with contextlib.suppress(PictureFault):
            open_picture(make(encoded(photo(), form)))


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "BMP"]), st.integers(0, 300))
def test_any_overwritten_bytes_give_a_picture_or_a_fault(noise: bytes, form: str, place: int) -> None:
    content = encoded(photo(8, 8), form)
    with contextlib.suppress(PictureFault):
        assert open_picture(content[:place] + noise + content[place + len(noise) :], max_pixels=1_000_000).mode == "RGB"


def test_default_limit_is_below_pillows_own() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert Image.MAX_IMAGE_PIXELS >= MAX_PIXELS
