"""A linker in service: its batcher and its entities, which are exchanged together where a bundle is loaded anew."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, final

from pgmel.interfaces.http.batching import Batcher
from pgmel.interfaces.http.entities import Entities
from pgmel.linking import Linker

__all__ = ["Serving"]

_LOOK_S: Final = 0.05


@final
class Serving:
    """What belongs to one linker, and how many requests use it; for the event loop's thread.

    Args:
        linker: What links.
        batch_size: Most mentions linked in one call.
        window_s: How long a batch waits for more.
        max_waiting: Most mentions that may wait or be in work.
        on_batch: Told the number of mentions of every call.
    """

    def __init__(self, linker: Linker, batch_size: int, window_s: float, max_waiting: int, on_batch: Callable[[int], Any]) -> None:
        self.linker = linker
        self.entities = Entities(linker.kb, linker.candidates.names)
        self.batcher = Batcher(linker, batch_size, window_s, max_waiting, on_batch)
        self._users = 0

    @contextmanager
    def use(self) -> Iterator["Serving"]:
        """Hold it open while the block runs."""
        self._users += 1
        try:
            yield self
        finally:
            self._users -= 1

    async def retire(self) -> None:
        """Wait until nobody uses it any more, and close all of it, the linker too."""
        while self._users:
            await asyncio.sleep(_LOOK_S)
        await asyncio.to_thread(self.batcher.close)
        self.linker.close()
