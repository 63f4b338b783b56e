"""Time linking over HTTP with and without micro-batching: concurrent clients, one mention a request.

By default an untrained model over the entities of the built-in demo, with the packaged MiniLM; another bundle with --bundle. Clients are
threads of this process and take their share of its time, so the figures bound the server's speed from below. The variants run in turn, and
medians over the rounds are shown.

Example: OMP_NUM_THREADS=2 python benchmarks/bench_serve.py --clients 16 --requests 400
"""

import asyncio
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import uvicorn

from pgmel.datasets import load_dataset
from pgmel.datasets.demo import write_demo
from pgmel.features import Encoders
from pgmel.index import EntityIndex
from pgmel.interfaces.http import create_app, open_socket
from pgmel.kb import KnowledgeBase
from pgmel.linking import Linker
from pgmel.models import Embedder, fit_projection, start_discriminator

VARIANTS = {"alone": (1, 0.0), "batches, no window": (64, 0.0), "batches, 2 ms": (64, 0.002), "batches, 10 ms": (64, 0.01)}


class Round(NamedTuple):
    """Requests a second, and milliseconds of the median and the 99th percentile request."""

    rate: float
    median: float
    slow: float


def main(
    bundle: Annotated[Path | None, typer.Option(help="Bundle to serve; by default one made of the demo.")] = None,
    clients: Annotated[int, typer.Option(help="Concurrent clients.")] = 16,
    requests: Annotated[int, typer.Option(help="Requests in a round.")] = 400,
    rounds: Annotated[int, typer.Option(help="Rounds of every variant.")] = 3,
) -> None:
    """Print a table of the variants."""
    with tempfile.TemporaryDirectory() as folder, demo_linker(Path(folder)) if bundle is None else Linker.load(bundle) as linker:
        names = [entity.name for _, entity in zip(range(requests), linker.kb.iter_entities(), strict=False)]
        bodies = [json.dumps({"mention": name, "context": f"We heard of {name} again today."}).encode() for name in names]
        bodies = [bodies[number % len(bodies)] for number in range(requests)]
        found: dict[str, list[Round]] = {name: [] for name in VARIANTS}
        for number in range(rounds + 1):
            for name, (size, window_s) in VARIANTS.items():
                timed = run_round(linker, bodies, clients, size, window_s)
                if number:  # the first round warms up
                    found[name].append(timed)
    print(f"{clients} clients, {requests} requests, median of {rounds} rounds")
    print(f"{'variant':<20} {'requests/s':>11} {'median ms':>10} {'99 % ms':>9}")
    for name, timed_rounds in found.items():
        rate, median, slow = (statistics.median(values) for values in zip(*timed_rounds, strict=True))
        print(f"{name:<20} {rate:>11.1f} {median:>10.1f} {slow:>9.1f}")


def run_round(linker: Linker, bodies: list[bytes], clients: int, size: int, window_s: float) -> Round:
    """Send all requests."""
    with serving(linker, size, window_s) as port, ThreadPoolExecutor(clients) as pool:
        local = threading.local()

        def send(body: bytes) -> float:
            if not hasattr(local, "connection"):
                local.connection = HTTPConnection("127.0.0.1", port, timeout=120)
            began = time.perf_counter()
            local.connection.request("POST", "/link", body, {"Content-Type": "application/json"})
            response = local.connection.getresponse()
            content = response.read()
            if response.status != 200:
                raise RuntimeError(content.decode())
            return (time.perf_counter() - began) * 1000

        began = time.perf_counter()
        times = sorted(pool.map(send, bodies))
        rate = len(bodies) / (time.perf_counter() - began)
    return Round(rate, statistics.median(times), times[int(0.99 * (len(times) - 1))])


@contextmanager
def serving(linker: Linker, size: int, window_s: float) -> Iterator[int]:
    """Serve in a thread; yield the port."""
    listening = open_socket("127.0.0.1", 0)
    app = create_app(linker, batch_size=size, window_s=window_s)
    server = uvicorn.Server(uvicorn.Config(app, loop="asyncio", http="h11", ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def demo_linker(folder: Path) -> Iterator[Linker]:
    """Make an untrained linker over the demo's entities."""
    write_demo(folder / "demo", 0)
    entities = load_dataset(folder / "demo").entities
    encoders: Any = Encoders.load(text_encoder="minilm", image_encoder="none", use_cache=False)
    features = encoders.encode_entities(entities, show_progress=False)
    weights = {"name": 1.0, "context": 1.0, "lexical": 0.5}
    projection = fit_projection([features], weights, dim_text=128, dim_image=32, lexical_rank=64, whitening=0.0, seed=0)
    embedder = Embedder(projection, start_discriminator(projection, dim=128, image_dim=None))
    index = EntityIndex.build(embedder.embed_entities(features), "exact")
    with KnowledgeBase.create(folder / "kb.sqlite", entities) as kb:
        yield Linker(kb, index, embedder, encoders)


if __name__ == "__main__":
    typer.run(main)
