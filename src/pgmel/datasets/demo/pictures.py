"""Write the demo's picture files: flags, renderings of flags, landscapes, and files broken on purpose."""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
from PIL import Image

from pgmel.datasets.demo.mixture import PictureKind
from pgmel.datasets.demo.renderings import paint_scenery, photograph

__all__ = ["PictureJob", "write_pictures"]

_THREADS: Final = 2
_QUALITY: Final = (35, 88)
_ERROR_PAGE: Final = b"<!DOCTYPE html><html><head><title>404 Not Found</title></head><body>The picture has moved.</body></html>\n"


@final
@dataclass(frozen=True, slots=True)
class PictureJob:
    """A picture file to write: where, of what kind, of which flag; ``key`` seeds its randomness."""

    path: Path
    kind: PictureKind
    flag: Image.Image | None
    key: tuple[int, ...]


def write_pictures(jobs: Iterable[PictureJob]) -> None:
    """Write all pictures; every one has its own randomness, so that the order of work does not matter."""
    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(_write_one, jobs):
            pass


def _write_one(job: PictureJob) -> None:
    if job.kind not in ("none", "missing"):
        job.path.write_bytes(_make(job, np.random.default_rng(job.key)))


def _make(job: PictureJob, rng: np.random.Generator) -> bytes:
    if job.kind == "empty":
        return b""
    if job.kind == "not_a_picture":
        return _ERROR_PAGE
    picture = paint_scenery(rng) if job.flag is None else photograph(job.flag, rng)
    content = _encode(picture, job.path.suffix, rng)
    if job.kind == "truncated":
        return content[: int(len(content) * rng.uniform(0.15, 0.5))]
    return content


def _encode(picture: Image.Image, suffix: str, rng: np.random.Generator) -> bytes:
    buffer = io.BytesIO()
    if suffix == ".png":
        picture.save(buffer, "PNG")
    else:
        picture.save(buffer, "JPEG", quality=int(rng.integers(*_QUALITY)))
    return buffer.getvalue()
