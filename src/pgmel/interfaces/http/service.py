"""What the routes share: the linker behind its batcher, the entities, limits, counters, and threads for what takes time."""

import asyncio
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar, final

from pgmel.errors import PgmelError
from pgmel.interfaces.http.decisions import describe_decisions
from pgmel.interfaces.http.entities import Entities
from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.logs import log_event, log_fault
from pgmel.interfaces.http.monitoring import Monitor
from pgmel.interfaces.http.schemas import BatchRequest, LinkRequest, MentionRequest
from pgmel.interfaces.http.serving import Serving
from pgmel.interfaces.http.uploads import check_limits, decode_picture, to_mentions
from pgmel.linking import Linker, link_values
from pgmel.records import Link, Mention
from pgmel.version import __version__

__all__ = ["Service"]

T = TypeVar("T")

_THREADS: Final = 2


@final
class Service:
    """One linker, served.

    Args:
        linker: What links; the service closes it only where another takes its place.
        limits: What is accepted.
        batch_size: Most mentions linked in one call.
        window_s: How long a batch waits for more.
        token_needed: Whether clients need a token, for the page to ask for it.
    """

    def __init__(self, linker: Linker, limits: Limits, batch_size: int, window_s: float, token_needed: bool) -> None:
        self.limits = limits
        self.monitor = Monitor()
        self.token_needed = token_needed
        self._batch_size, self._window_s = batch_size, window_s
        self._given = linker
        self._serving = self._put_in_service(linker)
        self._folder = Path(tempfile.mkdtemp(prefix="pgmel-serve-"))
        self.monitor.waiting.set_function(lambda: self._serving.batcher.waiting)
        self._threads = ThreadPoolExecutor(_THREADS, "pgmel-serve")
        self._reloading = asyncio.Lock()

    def use(self) -> AbstractContextManager[Serving]:
        """Hold the linker in service, and what belongs to it, open while the block runs."""
        return self._serving.use()

    async def ask(self, question: Callable[[Entities], T]) -> T:
        """Ask something about entities, in a thread."""
        serving = self._serving
        return await self.call(serving, question, serving.entities)

    async def reload(self, load: Callable[[], Linker]) -> None:
        """Put another linker in service; requests in flight are answered by the old one, which is closed then.

        A linker that cannot be loaded is logged, and the old one stays.

        Args:
            load: Opens the linker; called in a thread of its own.
        """
        async with self._reloading:
            try:
                linker = await asyncio.to_thread(load)
            except PgmelError as error:
                log_event("reload_failed", logging.ERROR, message=str(error))
                return
            except Exception as error:
                log_fault(error, "reload")
                return
            old, self._serving = self._serving, self._put_in_service(linker)
            log_event("reloaded", entities=len(linker.kb))
            await old.retire()

    async def call(self, serving: Serving, function: Callable[..., T], *arguments: Any) -> T:
        """Run something that takes time, and holds a linker open, without holding up other requests."""
        return await asyncio.wrap_future(serving.submit(self._threads, function, *arguments))

    async def link(self, request: LinkRequest | BatchRequest, upload: bytes | None = None) -> list[dict[str, Any]]:
        """Link the mentions of a request.

        Args:
            request: One mention or several.
            upload: The picture of a form.

        Raises:
            Problem: If a limit is broken, a mention is empty, a picture cannot be used, or too much is waiting.
        """
        check_limits(request, self.limits)
        mentions = request.mentions if isinstance(request, BatchRequest) else [request]
        with self.use() as serving:
            with ExitStack() as stack:
                ready = await self.call(serving, self._prepare, stack, mentions, upload)
                links = await serving.batcher.link(ready, request.top_k, request.explain)
            self.monitor.count_links(links)
            return await self.call(serving, self._values, serving.entities, links, ready, request.details)

    def health(self) -> dict[str, Any]:
        """Return what is served."""
        linker = self._serving.linker
        features = linker.card.get("settings", {}).get("features", {})
        return {
            "status": "ok",
            "version": __version__,
            "entities": len(self._serving.entities),
            "calibrated": linker.decision is not None,
            "threshold": (linker.decision.threshold or None) if linker.decision is not None and linker.nil else None,
            "decides": describe_decisions(linker),
            "reads_pictures": features.get("image_encoder", "none") != "none",
            "token_needed": self.token_needed,
            "limits": {
                "body_bytes": self.limits.body_bytes,
                "picture_bytes": self.limits.picture_bytes,
                "picture_pixels": self.limits.picture_pixels,
                "mentions": self.limits.mentions,
                "explained_mentions": self.limits.explained_mentions,
                "text_characters": self.limits.text_characters,
                "top_k": self.limits.top_k,
                "timeout_s": self.limits.timeout_s,
            },
        }

    def close(self) -> None:
        """Finish what waits, and clear away."""
        self._serving.batcher.close()
        self._threads.shutdown()
        if self._serving.linker is not self._given:
            self._serving.linker.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _put_in_service(self, linker: Linker) -> Serving:
        waiting = self.limits.waiting_mentions
        serving = Serving(linker, self._batch_size, self._window_s, waiting, self.monitor.batches.observe)
        self.monitor.entities.set(len(serving.entities))
        return serving

    def _prepare(self, stack: ExitStack, requests: Sequence[MentionRequest], upload: bytes | None) -> list[Mention]:
        uploads = [None if request.image_base64 is None else decode_picture(request.image_base64) for request in requests]
        if upload is not None:
            uploads = [upload]
        return stack.enter_context(to_mentions(requests, uploads, self._folder, self.limits))

    def _values(self, entities: Entities, links: list[Link], mentions: list[Mention], details: bool) -> list[dict[str, Any]]:
        written = []
        for link, mention in zip(links, mentions, strict=True):
            values = link_values(link, mention)
            if mention.image is not None:  # where the server put the picture is nobody's business
                values["warnings"] = [warning.replace(str(mention.image), "the picture sent") for warning in values["warnings"]]
            if details:
                more = entities.details([candidate.entity_id for candidate in link.candidates], mention.surface)
                values["candidates"] = [candidate | more[candidate["entity_id"]] for candidate in values["candidates"]]
            written.append(values)
        return written
