"""A linker in service: its batcher and its entities, which are exchanged together where a bundle is loaded anew."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from typing import Any, Final, TypeVar, final

from pgmel.interfaces.http.batching import Batcher
from pgmel.interfaces.http.entities import Entities
from pgmel.linking import Linker

__all__ = ["Serving"]

T = TypeVar("T")

_LOOK_S: Final = 0.05


@final
class Serving:
    """What belongs to one linker, and how much uses it: requests, and what they began in threads, which a time-out does not end.

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
        self._lock = threading.Lock()  # what ends in a thread is counted there

    @contextmanager
    def use(self) -> Iterator["Serving"]:
        """Hold it open while the block runs."""
        self._count(1)
        try:
            yield self
        finally:
            self._count(-1)

    def submit(self, threads: Executor, function: Callable[..., T], *arguments: Any) -> Future[T]:
        """Begin something in a thread, and hold it open until that has ended, whether or not anybody still waits for it."""
        work = threads.submit(function, *arguments)
        self._count(1)
        work.add_done_callback(lambda _: self._count(-1))
        return work

    async def retire(self) -> None:
        """Wait until nobody uses it any more, and close all of it, the linker too."""
        while self._users:
            await asyncio.sleep(_LOOK_S)
        await asyncio.to_thread(self.batcher.close)  # waits for what is being linked, even if its request has timed out
        self.linker.close()

    def _count(self, change: int) -> None:
        with self._lock:
            self._users += change
