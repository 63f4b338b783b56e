"""Pictures small enough to stand inside an HTML page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pgmel.pictures import PictureFault, open_picture

__all__ = ["Thumbnail", "Thumbnails"]


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data URI, or why there is none.

    Args:
        uri: ``data:image/...;base64,...``; empty where there is no usable picture.
        width: Pixels.
        height: Pixels.
        reason: Why there is none, in two words: ``no picture``, ``picture missing``.
        detail: The same in a sentence, where there is more to say.
    """

    uri: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""
    detail: str = ""


class Thumbnails:
    """Makes thumbnails, each file and size once.

    A picture is shrunk to fit a square; PNG or JPEG, whichever is smaller: flat drawings (flags, emoji) are smaller and cleaner as PNG,
    photographs as JPEG, and every browser shows both.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[Path, int], Thumbnail] = {}

    def make(self, source: Path | None, size: int) -> Thumbnail:
        """Return the thumbnail of a file.

        Args:
            source: The picture, or None.
            size: Longest side, in pixels.
        """
        if source is None:
            return Thumbnail(reason="no picture")
        key = (source, size)
        if key not in self._made:
            self._made[key] = _shrink(source, size)
        return self._made[key]

    def make_first(self, sources: tuple[Path, ...], size: int) -> Thumbnail:
        """Return the thumbnail of the first usable picture; where none is usable, why the first is not."""
        made = [self.make(source, size) for source in sources[:4]]
        usable = (thumbnail for thumbnail in made if thumbnail.uri)
        return next(usable, made[0] if made else Thumbnail(reason="no picture"))


def _shrink(source: Path, size: int) -> Thumbnail:
    try:
        picture = open_picture(source, target=size)
    except PictureFault as fault:
        return Thumbnail(reason=f"picture {fault.kind.replace('_', ' ')}", detail=fault.reason)
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    kind, content = min((("jpeg", _encode(picture, "JPEG")), ("png", _encode(picture, "PNG"))), key=lambda pair: len(pair[1]))
    return Thumbnail(f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}", *picture.size)


def _encode(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "PNG":
        picture.quantize(128).save(buffer, kind, optimize=True)
    else:
        picture.save(buffer, kind, quality=82, optimize=True)
    return buffer.getvalue()
