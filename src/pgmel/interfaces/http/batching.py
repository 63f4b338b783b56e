"""Micro-batching: one thread owns the linker and links the mentions of concurrent requests together.

Encoding and searching one mention costs nearly as much as a few of them, so requests that come at the same time are cheaper together. Only
requests for the same number of candidates share a call, since a compressed index searches deeper for more: every mention is answered as
the linker alone would answer it. Mentions to be explained take far longer; they are linked one at a time, after what else is there.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, final

from pgmel.errors import SettingError
from pgmel.interfaces.http.problems import Problem
from pgmel.linking.bulk import LinksMentions
from pgmel.records import Link, Mention

__all__ = ["Batcher"]

_STOP: Final = None


@dataclass(slots=True)
class _Job:
    mentions: Sequence[Mention]
    top_k: int
    explain: bool = False
    links: "Future[list[Link]]" = field(default_factory=Future)


@final
class Batcher:
    """Links through one worker thread.

    Args:
        linker: Used by the worker thread alone.
        batch_size: Most mentions linked in one call, at least 1; 1 turns batching off.
        window_s: How long a batch that is not full waits for more, in seconds; 0 takes what is there.
        max_waiting: Most mentions that may wait or be in work.
        on_batch: Told the number of mentions of every call.

    Raises:
        SettingError: If a value is out of its range.
    """

    def __init__(
        self,
        linker: LinksMentions,
        batch_size: int = 64,
        window_s: float = 0.002,
        max_waiting: int = 2_048,
        on_batch: Callable[[int], None] | None = None,
    ) -> None:
        if batch_size < 1 or not 0 <= window_s <= 1 or max_waiting < 1:
            raise SettingError(
                f"batch_size and max_waiting must be at least 1 and window_s 0 to 1, got {batch_size}, {max_waiting} and {window_s}"
            )
        self._linker = linker
        self._batch_size = batch_size
        self._window_s = window_s
        self._max_waiting = max_waiting
        self._on_batch = on_batch
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._left: _Job | None = None
        self._waiting = 0
        self._thread = threading.Thread(target=self._work, name="pgmel-linker", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Mentions that wait or are in work."""
        return self._waiting

    async def link(self, mentions: Sequence[Mention], top_k: int, explain: bool = False) -> list[Link]:
        """Link mentions; cancelling it takes back what the worker has not begun.

        A long list is handed over in pieces of ``batch_size``, one after the other, so that it does not hold up other requests; mentions
        to be explained are handed over one by one.

        Raises:
            Problem: ``overloaded``, if too much is waiting.
        """
        if self._waiting + len(mentions) > self._max_waiting:
            raise Problem("overloaded", f"{self._waiting:,} mentions are waiting already", "Send it again later, or less at once")
        self._waiting += len(mentions)  # changed in the event loop's thread only
        try:
            links: list[Link] = []
            size = 1 if explain else self._batch_size
            for start in range(0, len(mentions), size):
                job = _Job(mentions[start : start + size], top_k, explain)
                self._jobs.put(job)
                found: list[Link] = await asyncio.wrap_future(job.links)
                links += found
            return links
        finally:
            self._waiting -= len(mentions)

    def close(self) -> None:
        """Finish what is waiting and end the thread."""
        self._jobs.put(_STOP)
        self._thread.join()

    def _work(self) -> None:
        while (job := self._next(None)) is not _STOP:
            batch = self._gather(job)
            for top_k in dict.fromkeys(job.top_k for job in batch):
                self._link_together([job for job in batch if job.top_k == top_k and not job.explain])
            for job in batch:
                if job.explain:
                    self._link_together([job])

    def _gather(self, first: _Job) -> list[_Job]:
        batch, count = [first], len(first.mentions)
        until = time.monotonic() + self._window_s
        while count < self._batch_size:
            try:
                job = self._next(max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if job is _STOP:
                self._jobs.put(_STOP)  # seen again when this batch is done
                break
            if count + len(job.mentions) > self._batch_size:
                self._left = job
                break
            batch.append(job)
            count += len(job.mentions)
        return batch

    def _next(self, timeout: float | None) -> _Job | None:
        if self._left is not None:
            job, self._left = self._left, None
            return job
        return self._jobs.get(timeout=timeout) if timeout is None or timeout > 0 else self._jobs.get_nowait()

    def _link_together(self, jobs: list[_Job]) -> None:
        jobs = [job for job in jobs if job.links.set_running_or_notify_cancel()]
        if not jobs:
            return
        mentions = [mention for job in jobs for mention in job.mentions]
        if self._on_batch is not None:
            self._on_batch(len(mentions))
        try:
            links = iter(self._linker.link(mentions, jobs[0].top_k, **_wishes(jobs[0])))
            answers: list[list[Link] | Exception] = [[next(links) for _ in job.mentions] for job in jobs]
        except Exception as error:
            # What one request brings must not spoil the others' answers.
            answers = [error] if len(jobs) == 1 else [self._link_alone(job) for job in jobs]
        for job, answer in zip(jobs, answers, strict=True):
            if isinstance(answer, Exception):
                job.links.set_exception(answer)
            else:
                job.links.set_result(answer)

    def _link_alone(self, job: _Job) -> list[Link] | Exception:
        try:
            return self._linker.link(list(job.mentions), job.top_k)
        except Exception as error:
            return error


def _wishes(job: _Job) -> dict[str, bool]:
    return {"explain": True} if job.explain else {}
