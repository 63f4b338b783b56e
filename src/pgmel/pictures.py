"""Open pictures of any kind as plain RGB, or say in one sentence why that is impossible.

Pictures of real data sets are empty, truncated, HTML pages with the ending ``.jpg``, or so large that decoding them fills the memory.
``open_picture`` turns all of that into one exception, ``PictureFault``; it never lets another one out for bad input.
"""

import io
import stat
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_PIXELS",
    "PICTURE_FORMATS",
    "FaultKind",
    "PictureFault",
    "open_picture",
    "probe_picture",
    "read_picture_bytes",
]

_PILLOW = r"PIL\."

FaultKind = Literal["missing", "empty", "broken", "too_large", "unsupported"]

MAX_PIXELS = 64_000_000
"""Most pixels that are decoded; beyond them a picture counts as a decompression bomb (64 million pixels take 192 MB)."""

MAX_FILE_BYTES = 256 * 1024 * 1024
"""Most bytes that are read of one picture file."""

# An explicit list: some of Pillow's formats run other programs (EPS starts Ghostscript) or are no pictures for people.
PICTURE_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "JPEG2000", "AVIF", "ICO", "PPM")
"""Formats that are read where Pillow was built with them, as it names them; JPEG includes the MPO files of phones."""


class PictureFault(Exception):  # noqa: N818 - it says what is wrong with the picture, and seldom stops anything
    """A picture cannot be used.

    Args:
        kind: ``missing`` (no such file), ``empty`` (zero bytes), ``broken`` (damaged or unreadable), ``too_large`` (too many pixels or
            bytes), ``unsupported`` (no picture, or of a format that is not read).
        reason: One sentence for a person, without the path.
    """

    def __init__(self, kind: FaultKind, reason: str) -> None:
        self.kind: FaultKind = kind
        self.reason = reason
        super().__init__(f"{kind}: {reason}")


def open_picture(source: Path | bytes | Image.Image, max_pixels: int = MAX_PIXELS, target: int | None = None) -> Image.Image:
    """Open a picture as upright RGB.

    The first frame is taken of an animation, EXIF rotation is applied, transparency is laid on white, 16 bits become 8.

    Args:
        source: A file, its bytes, or a picture opened before (which is left as it is).
        max_pixels: Most pixels (width times height) that are decoded; the size is read from the header, so refusing costs nothing.
        target: Shortest side that will be needed, in pixels. A larger JPEG is decoded at a lower resolution, at least twice the target,
            which halves the time.

    Raises:
        PictureFault: If the picture is missing, empty, broken, too large or of an unsupported kind; nothing else for bad input.
    """
    try:
        if isinstance(source, Image.Image):
            return _to_rgb(_checked(source, max_pixels))
        content = source if isinstance(source, bytes) else read_picture_bytes(source)
        if not content:
            raise PictureFault("empty", "the file has no bytes")
        _hush_data_warnings()
        with Image.open(io.BytesIO(content), formats=_readable_formats()) as picture:
            _checked(picture, max_pixels)
            if target is not None:
                picture.draft(None, (2 * target, 2 * target))
            picture.load()
            return _to_rgb(picture)
    except PictureFault:
        raise
    except UnidentifiedImageError:
        raise PictureFault("unsupported", _describe_content(content)) from None
    except Image.DecompressionBombError:
        raise PictureFault("too_large", f"the picture claims more than {max_pixels:,} pixels") from None
    except MemoryError:
        raise PictureFault("too_large", "there is not enough memory to decode it") from None
    except Exception as error:
        # Pillow's decoders raise almost anything on damaged bytes: OSError, SyntaxError, struct.error, zlib.error, IndexError...
        raise PictureFault("broken", f"it cannot be decoded ({str(error).strip() or type(error).__name__})") from None


def probe_picture(path: Path) -> PictureFault | None:
    """Return why a picture file cannot be used, or None if it can; decodes it at low resolution."""
    try:
        open_picture(path, target=8)
    except PictureFault as fault:
        return fault
    return None


def read_picture_bytes(path: Path) -> bytes:
    """Read a picture file.

    Raises:
        PictureFault: If it is missing, no regular file, empty, too large or unreadable.
    """
    try:
        state = path.stat()
        if stat.S_ISDIR(state.st_mode):
            raise PictureFault("unsupported", "a folder stands where the picture file should be")
        if not stat.S_ISREG(state.st_mode):  # reading a named pipe would wait for ever
            raise PictureFault("unsupported", "it is no regular file")
        if state.st_size == 0:
            raise PictureFault("empty", "the file has no bytes")
        if state.st_size > MAX_FILE_BYTES:
            raise PictureFault("too_large", f"the file has {state.st_size:,} bytes, more than {MAX_FILE_BYTES:,}")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise PictureFault("missing", "the file does not exist") from None
    except OSError as error:
        raise PictureFault("broken", f"the file cannot be read ({error.strerror})") from None
    except ValueError:
        raise PictureFault("missing", "the path holds a character that no file name can have") from None


@lru_cache(maxsize=1)
def _readable_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in PICTURE_FORMATS if name in Image.OPEN)


def _hush_data_warnings() -> None:
    """Keep Pillow's remarks about odd data (damaged EXIF, truncated tags) off the terminal; what matters comes as a fault.

    ``warnings.catch_warnings`` is no use here: it is not safe in threads.
    """
    if not any(module is not None and getattr(module, "pattern", module) == _PILLOW for _, _, _, module, _ in warnings.filters):
        warnings.filterwarnings("ignore", module=_PILLOW)


def _checked(picture: Image.Image, max_pixels: int) -> Image.Image:
    width, height = picture.size
    if width * height > max_pixels:
        raise PictureFault("too_large", f"{width:,} x {height:,} pixels are more than {max_pixels:,}")
    if width * height == 0:
        raise PictureFault("broken", "it has no pixels")
    return picture


def _to_rgb(picture: Image.Image) -> Image.Image:
    picture = _turn_upright(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        return _from_deep(picture)
    if picture.has_transparency_data:
        with_alpha = picture.convert("RGBA")
        white = Image.new("RGBA", with_alpha.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, with_alpha).convert("RGB")
    return picture.convert("RGB")


def _turn_upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture  # damaged EXIF says nothing about the pixels


def _from_deep(picture: Image.Image) -> Image.Image:
    """Scale 16-bit, 32-bit and float grey to 8 bits; Pillow's own conversion would clip everything above 255 to white."""
    values = np.nan_to_num(np.asarray(picture).astype(np.float32), posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if picture.mode.startswith("I;16") or (picture.mode == "I" and low >= 0 and 255 < high <= 65535):
        low, high = 0, 65535
    elif picture.mode == "I" and low >= 0 and high <= 255:
        low, high = 0, 255
    grey = (values - low) * (255 / (high - low) if high > low else 0)
    return Image.fromarray(np.clip(np.rint(grey), 0, 255).astype(np.uint8)).convert("RGB")


def _describe_content(content: bytes) -> str:
    start = content[:512].lstrip().lower()
    if b"<svg" in start:
        return "it is an SVG drawing, which is not read; convert it to PNG"
    if start.startswith((b"<!doctype html", b"<html")):
        return "it is an HTML page, not a picture"
    return f"it is no picture of a known format (it begins with {content[:8]!r})"
