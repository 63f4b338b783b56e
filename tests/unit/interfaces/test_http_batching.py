"""Micro-batching: who is linked with whom, and that nobody notices."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pgmel.errors import SettingError
from pgmel.interfaces.http.batching import Batcher
from pgmel.interfaces.http.problems import Problem
from pgmel.records import NIL, Link, Mention


class FakeLinker:
    """Answers NIL, remembers its calls, and holds each until it is let go."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], int]] = []
        self.gate = threading.Event()
        self.began = threading.Event()

    def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:
        self.calls.append(([mention.id + "!" * explain for mention in mentions], top_k))
        self.began.set()
        assert self.gate.wait(10)
        if any(mention.surface == "poison" for mention in mentions):
            raise ValueError("poison")
        return [Link(mention.id, NIL, None) for mention in mentions]


@pytest.fixture
def linker() -> Iterator[FakeLinker]:
    fake = FakeLinker()
    yield fake
    fake.gate.set()


def mentions(*ids: str) -> list[Mention]:
    return [Mention(name, name.split("-")[0]) for name in ids]


async def in_the_way(batcher: Batcher, linker: FakeLinker) -> asyncio.Task[list[Link]]:
    """Keep the worker busy, so that what comes next waits."""
    task = asyncio.create_task(batcher.link(mentions("first"), 3))
    await asyncio.to_thread(linker.began.wait, 10)
    return task


def run(batcher: Batcher, linker: FakeLinker, *requests: tuple[Any, ...]) -> list[list[str] | BaseException]:
    async def go() -> list[list[str] | BaseException]:
        first = await in_the_way(batcher, linker)
        tasks = [asyncio.create_task(batcher.link(*request)) for request in requests]
        await asyncio.sleep(0)
        linker.gate.set()
        await first
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        return [answer if isinstance(answer, BaseException) else [link.mention_id for link in answer] for answer in answers]

    try:
        return asyncio.run(go())
    finally:
        linker.gate.set()
        batcher.close()


def test_requests_that_wait_are_linked_together_and_get_their_own_links(linker: FakeLinker) -> None:
    answers = run(Batcher(linker, 8, 0), linker, (mentions("a", "b"), 3), (mentions("c"), 3))
    assert answers == [["a", "b"], ["c"]]
    assert linker.calls[1:] == [(["a", "b", "c"], 3)]


def test_requests_for_other_numbers_of_candidates_are_linked_apart(linker: FakeLinker) -> None:
    run(Batcher(linker, 8, 0), linker, (mentions("a"), 3), (mentions("b"), 5), (mentions("c"), 3))
    assert linker.calls[1:] == [(["a", "c"], 3), (["b"], 5)]


def test_a_batch_does_not_grow_beyond_its_size(linker: FakeLinker) -> None:
    answers = run(Batcher(linker, 2, 0), linker, (mentions("a"), 3), (mentions("b", "c"), 3), (mentions("d"), 3))
    assert answers == [["a"], ["b", "c"], ["d"]]
    assert linker.calls[1:] == [(["a"], 3), (["b", "c"], 3), (["d"], 3)]


def test_a_long_request_lets_others_in_between(linker: FakeLinker) -> None:
    answers = run(Batcher(linker, 2, 0), linker, (mentions("a", "b", "c", "d"), 3), (mentions("e"), 3))
    assert answers == [["a", "b", "c", "d"], ["e"]]
    assert [call for call, _ in linker.calls[1:]] == [["a", "b"], ["e"], ["c", "d"]]


def test_mentions_to_be_explained_come_last_and_one_by_one(linker: FakeLinker) -> None:
    answers = run(Batcher(linker, 8, 0), linker, (mentions("a", "b"), 3, True), (mentions("c"), 3), (mentions("d"), 3, True))
    assert answers == [["a", "b"], ["c"], ["d"]]
    assert [call for call, _ in linker.calls[1:]] == [["c"], ["a!"], ["d!"], ["b!"]]


def test_a_request_that_fails_does_not_spoil_its_batch(linker: FakeLinker) -> None:
    good, bad = run(Batcher(linker, 8, 0), linker, (mentions("a"), 3), (mentions("poison-1"), 3))
    assert good == ["a"]
    assert isinstance(bad, ValueError)


def test_a_request_taken_back_is_not_linked(linker: FakeLinker) -> None:
    async def go(batcher: Batcher) -> None:
        first = await in_the_way(batcher, linker)
        task = asyncio.create_task(batcher.link(mentions("late"), 3))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        linker.gate.set()
        await first

    batcher = Batcher(linker, 8, 0)
    asyncio.run(go(batcher))
    batcher.close()
    assert batcher.waiting == 0
    assert linker.calls == [(["first"], 3)]


def test_too_much_waiting_is_refused(linker: FakeLinker) -> None:
    answers = run(Batcher(linker, 8, 0, max_waiting=3), linker, (mentions("a", "b"), 3), (mentions("c"), 3))
    assert answers[0] == ["a", "b"]
    assert isinstance(answers[1], Problem)
    assert answers[1].code == "overloaded"


def test_closing_finishes_what_waits(linker: FakeLinker) -> None:
    async def go(batcher: Batcher) -> list[str]:
        await in_the_way(batcher, linker)
        task = asyncio.create_task(batcher.link(mentions("a"), 3))
        await asyncio.sleep(0)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.01)
        linker.gate.set()
        await closing
        return [link.mention_id for link in await task]

    assert asyncio.run(go(Batcher(linker, 8, 0))) == ["a"]


@pytest.mark.parametrize(("size", "window", "waiting"), [(0, 0.0, 1), (1, -0.1, 1), (1, 2.0, 1), (1, 0.0, 0)])
def test_settings_out_of_range_are_refused(linker: FakeLinker, size: int, window: float, waiting: int) -> None:
    with pytest.raises(SettingError, match=f"got {size}, {waiting} and {window}"):
        Batcher(linker, size, window, waiting)
