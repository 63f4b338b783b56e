"""A server takes up a bundle that was changed, without turning anybody away."""

import asyncio
import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from serving import Client
from toy_bundle import make_decision, toy_entities, write_toy_bundle

from pgmel.errors import BundleError
from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.schemas import LinkRequest
from pgmel.interfaces.http.service import Service
from pgmel.linking import Linker
from pgmel.records import Entity


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a bundle, and one in which Congo is called Kongo."""

    def rename(entity: Entity) -> Entity:
        return Entity(entity.id, "Kongo") if entity.name == "Congo" else entity

    root = tmp_path_factory.mktemp("toy")
    return write_toy_bundle(root / "a", make_decision()), write_toy_bundle(root / "b", make_decision(), change=rename)


def run(scenario: Callable[[Service], Any], folder: Path) -> Any:
    async def play() -> Any:
        with Linker.load(folder) as linker:
            service = Service(linker, Limits(), 8, 0.0, False)
            try:
                return await scenario(service)
            finally:
                service.close()

    return asyncio.run(play())


def test_another_bundle_takes_over(folders: tuple[Path, Path]) -> None:
    async def scenario(service: Service) -> list[str]:
        names = []
        for _ in range(2):
            link = (await service.link(LinkRequest(mention="Congo", top_k=1)))[0]
            names += [link["candidates"][0]["name"], (await service.ask(lambda known: known.describe("Q0")))["name"]]
            await service.reload(lambda: Linker.load(folders[1]))
        return names

    assert run(scenario, folders[0]) == ["Congo", "Congo", "Kongo", "Kongo"]


def test_the_old_one_is_closed_when_nobody_uses_it_any_more(folders: tuple[Path, Path]) -> None:
    async def scenario(service: Service) -> None:
        with service.use() as old:
            task = asyncio.create_task(service.reload(lambda: Linker.load(folders[1])))
            for _ in range(1_000):
                if (await service.ask(lambda known: known.describe("Q0")))["name"] == "Kongo":
                    break
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert not task.done()
            assert old.entities.describe("Q0")["name"] == "Congo", "requests in flight are answered by the old one"
            assert (await old.batcher.link([], 1)) == []
        await task
        with pytest.raises(Exception, match="cannot be read"):
            old.entities.describe("Q0")

    run(scenario, folders[0])


class Held:
    """Something slow: tells when it has begun, goes on when it may, and tells whether the linker was open to its end."""

    def __init__(self) -> None:
        self.began, self.gate = threading.Event(), threading.Event()
        self.ended: list[str] = []

    def work(self, linker: Linker) -> None:
        self.began.set()
        assert self.gate.wait(30)
        self.ended.append(linker.kb.get("Q0").name)

    async def time_out_and_reload(self, service: Service, request: Coroutine[Any, Any, Any], folder: Path) -> None:
        """Time the request out in the midst of its slow part, reload, and let the slow part end."""
        running = asyncio.create_task(request)
        await asyncio.to_thread(self.began.wait, 30)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        reloading = asyncio.create_task(service.reload(lambda: Linker.load(folder)))
        for _ in range(1_000):
            if (await service.ask(lambda known: known.describe("Q0")))["name"] == "Kongo":
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert not reloading.done()
        self.gate.set()
        await reloading
        assert self.ended == ["Congo"], "the old linker was open until the work that nobody waits for had ended"


def test_linking_that_timed_out_ends_before_its_linker_is_closed(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    held, link = Held(), Linker.link

    def slowly(self: Linker, mentions: Any, top_k: int = 10, explain: bool = False) -> Any:
        if mentions[0].surface == "slow":
            held.work(self)
        return link(self, mentions, top_k, explain)

    monkeypatch.setattr(Linker, "link", slowly)
    run(lambda service: held.time_out_and_reload(service, service.link(LinkRequest(mention="slow")), folders[1]), folders[0])


def test_a_question_that_timed_out_ends_before_its_linker_is_closed(folders: tuple[Path, Path]) -> None:
    async def scenario(service: Service) -> None:
        with service.use() as old:
            linker = old.linker
        await held.time_out_and_reload(service, service.ask(lambda _: held.work(linker)), folders[1])

    held = Held()
    run(scenario, folders[0])


def test_a_bundle_that_cannot_be_loaded_leaves_the_old_one(folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Linker:
        raise BundleError("the bundle is damaged")

    async def scenario(service: Service) -> str:
        await service.reload(fail)
        return str((await service.ask(lambda known: known.describe("Q0")))["name"])

    assert run(scenario, folders[0]) == "Congo"
    events = [record.__dict__["event"] for record in caplog.records if "event" in record.__dict__]
    assert {"event": "reload_failed", "message": "the bundle is damaged"} in events


@pytest.mark.slow
def test_the_command_loads_the_bundle_again_on_sighup(folders: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(folders[0], bundle)
    toy_entities(tmp_path / "pictures")
    command = [sys.executable, "-m", "pgmel", "serve", "--bundle", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            ready = process.stdout.readline()
            assert ready, process.stderr.read()
            client = Client(re.findall(r"http://\S+", ready)[0])
            assert client.get("/entities/Q0").json["name"] == "Congo"
            shutil.rmtree(bundle)
            shutil.copytree(folders[1], bundle)
            process.send_signal(signal.SIGHUP)
            while json.loads(process.stderr.readline())["event"] != "reloaded":
                pass
            assert client.get("/entities/Q0").json["name"] == "Kongo"
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=300)
        finally:
            process.kill()
    assert process.returncode == 0
