"""Open a bundle for a command."""

from pathlib import Path
from typing import TYPE_CHECKING

from pgmel.records import Mention

if TYPE_CHECKING:
    from pgmel.linking import Linker

__all__ = ["open_linker"]


def open_linker(bundle: Path, device: str, text_encoder: str | None = None, image_encoder: str | None = None) -> "Linker":
    """Open a bundle and load its text encoder too, which a linker by itself does at the first mention.

    Args:
        bundle: The bundle.
        device: Where encoders and model run: ``auto``, ``cpu``, ``cuda``...
        text_encoder: Where the text encoder is now, if it moved since the bundle was written.
        image_encoder: Where the image encoder is now, if it moved since the bundle was written.

    Raises:
        PgmelError: If bundle or encoders cannot be used.
    """
    from pgmel.linking import Linker
    from pgmel.workflows.train import resolve_device

    linker = Linker.load(bundle, str(resolve_device(device)), text_encoder=text_encoder, image_encoder=image_encoder)
    try:
        linker.link([Mention("warm-up", "warm-up")])
    except BaseException:
        linker.close()
        raise
    return linker
