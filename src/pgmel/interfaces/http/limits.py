"""What a server accepts from one request, and from all of them together."""

import math
from dataclasses import dataclass, fields
from typing import Final, final

from pgmel.errors import SettingError

__all__ = ["MIB", "Limits"]

MIB: Final = 1024 * 1024


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """Limits, each with an error of its own.

    ``body_bytes`` bounds a request's body, ``picture_bytes`` and ``picture_pixels`` (width times height) one picture, ``mentions`` the
    length of a batch request, ``explained_mentions`` that of one whose links are explained, ``text_characters`` a mention's words and its
    text each, ``top_k`` the candidates asked for. A request is answered within ``timeout_s`` seconds or refused. ``waiting_mentions`` and
    ``open_requests`` bound what all requests hold together.
    """

    body_bytes: int = 32 * MIB
    picture_bytes: int = 8 * MIB
    picture_pixels: int = 24_000_000
    mentions: int = 256
    explained_mentions: int = 16
    text_characters: int = 20_000
    top_k: int = 100
    timeout_s: float = 30.0
    waiting_mentions: int = 2_048
    open_requests: int = 256

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            SettingError: If a limit is not above zero; lists all that are not.
        """
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        wrong = [f"{name} must be > 0, got {value}" for name, value in values.items() if not (value > 0 and math.isfinite(value))]
        if self.waiting_mentions < self.mentions:
            wrong.append(f"waiting_mentions must be at least mentions ({self.mentions}), got {self.waiting_mentions}")
        if wrong:
            raise SettingError("; ".join(wrong))
