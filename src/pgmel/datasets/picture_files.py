"""Open a data set's picture files, and tell whether two of them show the same.

Two pictures are twins if their 64-bit perceptual hashes (the signs of an 8 x 8 block of the grey picture's cosine transform against their
median) differ in ``TWIN_DISTANCE`` bits at most and their colours agree. The hash alone is blind to colours: it takes a red heart for a
green one. A grey copy of a coloured picture has no colours to compare, and stays a twin.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pgmel.files import hash_bytes
from pgmel.progress import progress_bar

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["TWIN_DISTANCE", "PictureLook", "are_twins", "find_twins", "look_at_pictures", "picture_hash"]

TWIN_DISTANCE: Final = 4
"""Most differing bits of two pictures that count as the same."""

COLOUR_DISTANCE: Final = 12.0
"""Largest difference of colours of twins: root mean square over an 8 x 8 thumbnail's Cb and Cr, of 255. Copies at low quality, cropped by
4 % or brightened by 30 % stay below 7; flags and hearts in other colours lie above 14."""

GREY: Final = 3.0
"""Largest root mean square of Cb and Cr (from their middle) of a picture that counts as grey."""

FLAT: Final = 3.0
"""Smallest standard deviation of the grey values, of 255, at which a hash means anything: that of a blank picture is noise."""

_BATCH = 1024
_PAIRS = 1 << 23

# The first 8 of 32 rows of the orthonormal cosine transform.
_COSINES = np.cos(np.pi / 32 * np.arange(8)[:, None] * (np.arange(32) + 0.5)) * np.sqrt(np.where(np.arange(8) == 0, 1, 2) / 32)[:, None]


@dataclass(frozen=True, slots=True)
class PictureLook:
    """What was seen of one file.

    Attributes:
        fault: Why it cannot be used (``missing``, ``broken`` and so on), or None.
        reason: The fault in a sentence.
        digest: Of the file's bytes.
        hash: The perceptual hash; None of a blank picture.
        colours: Cb and Cr of an 8 x 8 thumbnail, from their middle, 128 values; empty if the picture is grey.
    """

    fault: str | None = None
    reason: str = ""
    digest: str = ""
    hash: int | None = None
    colours: bytes = b""


def look_at_pictures(paths: Iterable[Path], show_progress: bool = True) -> dict[Path, PictureLook]:
    """Open picture files, once each, on all cores."""
    wanted = list(dict.fromkeys(paths))
    looks: dict[Path, PictureLook] = {}
    with progress_bar("Looking at pictures", len(wanted), unit="pictures", show=show_progress) as bar, _pool() as pool:
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            for path, look in zip(batch, pool.map(_look_at, batch), strict=True):
                looks[path] = look
                bar.advance()
    return looks


def picture_hash(pixels: NDArray[Any]) -> int:
    """Return the 64-bit perceptual hash of a 32 x 32 grey picture.

    Args:
        pixels: Grey values of shape (32, 32), any scale.
    """
    low = (_COSINES @ np.asarray(pixels, dtype=np.float64) @ _COSINES.T).ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness, which dwarfs the others
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def are_twins(one: PictureLook, other: PictureLook) -> bool:
    """Whether two pictures show the same, or nearly; never where one could not be opened or is blank."""
    if one.hash is None or other.hash is None:
        return False
    return (one.hash ^ other.hash).bit_count() <= TWIN_DISTANCE and bool(_colours_agree(one, _colour_table([other]))[0])


def find_twins(ours: Sequence[PictureLook], theirs: Sequence[PictureLook], show_progress: bool = True) -> dict[int, int]:
    """Return for each of our pictures that has twins among theirs the position of the nearest one.

    All pairs of hashes are compared, in blocks of a fixed size: 20,000 times 20,000 take some seconds.
    """
    known = [row for row, look in enumerate(theirs) if look.hash is not None]
    wanted = [row for row, look in enumerate(ours) if look.hash is not None]
    if not known or not wanted:
        return {}
    table = np.array([theirs[row].hash for row in known], np.uint64)
    queries = np.array([ours[row].hash for row in wanted], np.uint64)
    colours = _colour_table([theirs[row] for row in known])
    block = max(1, _PAIRS // len(table))
    found: dict[int, int] = {}
    with progress_bar("Comparing pictures", len(queries), unit="pictures", show=show_progress) as bar:
        for start in range(0, len(queries), block):
            bits = np.bitwise_count(queries[start : start + block, None] ^ table)
            for place in np.flatnonzero((bits <= TWIN_DISTANCE).any(axis=1)):
                row = wanted[start + place]
                near = np.flatnonzero(bits[place] <= TWIN_DISTANCE)
                near = near[_colours_agree(ours[row], colours[near])]
                if len(near):
                    found[row] = known[near[bits[place, near].argmin()]]
            bar.advance(len(bits))
    return found


def _colour_table(looks: Sequence[PictureLook]) -> NDArray[np.int8]:
    """Return colours of shape (looks, 128); a grey picture's are all 0, as no coloured one's are."""
    return np.frombuffer(b"".join(look.colours or bytes(128) for look in looks), np.int8).reshape(len(looks), 128)


def _colours_agree(one: PictureLook, table: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Return which pictures of a table have the same colours in the same places as one, or else have none."""
    if not one.colours:
        return np.ones(len(table), bool)
    gaps = table.astype(np.float32) - np.frombuffer(one.colours, np.int8).astype(np.float32)
    return np.asarray((np.sqrt(np.mean(gaps**2, axis=1)) <= COLOUR_DISTANCE) | ~table.any(axis=1))


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))  # decoding leaves Python's lock


def _look_at(path: Path) -> PictureLook:
    from pgmel.pictures import PictureFault, open_picture, read_picture_bytes

    try:
        content = read_picture_bytes(path)
        picture = open_picture(content, target=32)
    except PictureFault as fault:
        return PictureLook(fault.kind, fault.reason)
    grey = np.asarray(picture.convert("L").resize((32, 32)), np.float64)
    return PictureLook(
        digest=hash_bytes(content),
        hash=picture_hash(grey) if grey.std() >= FLAT else None,
        colours=_colours(picture),
    )


def _colours(picture: "Image.Image") -> bytes:
    thumbnail = np.asarray(picture.resize((8, 8), reducing_gap=3.0).convert("YCbCr"), np.int16)[..., 1:] - 128
    grey = float(np.sqrt(np.mean(thumbnail.astype(np.float64) ** 2))) < GREY
    return b"" if grey else thumbnail.astype(np.int8).tobytes()
