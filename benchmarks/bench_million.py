"""Build, index and link over a large synthetic KB, each step in a process of its own, and print time and peak memory of each.

Run: ``OMP_NUM_THREADS=2 python benchmarks/bench_million.py --entities 1000000 --dim 256`` (``--entities 20000`` to try it). Encoders are
character n-grams, so that storing and searching are measured, not a model.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["build_model", "entities_of"]

SYLLABLES = ["ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qi", "ro", "su", "ta", "ve", "wi", "xo", "zu"]
TAGS = ("river", "painter", "town", "company", "beetle", "song", "bridge", "novel")


def entities_of(start: int, stop: int) -> Iterator[dict[str, Any]]:
    """Yield records, the same for the same numbers."""
    for number in range(start, stop):
        mixed = number * 2654435761 % 2**32
        name = "".join(SYLLABLES[mixed // 20**place % 20] for place in range(5)).title() + f" {SYLLABLES[number % 20].title()}"
        yield {
            "id": f"Q{number}",
            "name": name,
            "aliases": [name.split()[0]],
            "description": f"{TAGS[mixed % 8]} number {number}, known since {1500 + mixed % 500}",
        }


def build_model(folder: Path, dim: int) -> Path:
    """Write a bundle of a few entities with an untrained model over character n-grams."""
    from pgmel.features import Encoders
    from pgmel.index import EntityIndex
    from pgmel.linking import write_bundle
    from pgmel.models import Embedder, fit_projection, start_discriminator
    from pgmel.records import Entity

    entities = [Entity(r["id"], r["name"], tuple(r["aliases"]), r["description"]) for r in entities_of(0, 2000)]
    named = {"text_encoder": "none", "image_encoder": "none", "lexical_dim": 1024}
    encoders = Encoders.load(text_encoder="none", image_encoder="none", lexical_dim=1024, use_cache=False)
    features = encoders.encode_entities(entities, show_progress=False)
    projection = fit_projection([features], {"lexical": 1.0}, dim_text=dim, dim_image=dim, lexical_rank=dim, whitening=0.0, seed=0)
    embedder = Embedder(projection, start_discriminator(projection, dim=dim, image_dim=None))
    index = EntityIndex.build(embedder.embed_entities(features), "exact")
    card = {"data": {"name": "synthetic"}, "settings": {"features": named}, "scores": {}, "encoders": encoders.describe(), "decision": None}
    write_bundle(folder / "model", entities, embedder, index, card)
    return folder / "model"


def run_step(step: str, folder: Path, entities: int, dim: int, mentions: int) -> None:
    start = time.perf_counter()
    note = ""
    if step == "model":
        build_model(folder, dim)
    elif step == "write":
        with (folder / "all.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in entities_of(0, entities))
    elif step == "build":
        from pgmel.workflows.kb import KbOptions, build_kb

        build_kb(folder / "all.jsonl", folder / "kb", KbOptions())
    elif step == "index":
        from pgmel.workflows.build_index import build_bundle

        note = build_bundle(folder / "model", folder / "kb", folder / "bundle", kind="ivfpq", device="cpu")["kind"]
    elif step == "names":
        from pgmel.candidates import NameIndex

        names = NameIndex.load(folder / "bundle" / "names")
        asked = [next(entities_of(number, number + 1))["name"] for number in range(0, entities, max(1, entities // 200))]
        asked = [text[0] + text[2] + text[1] + text[3:] for text in asked]
        loaded = time.process_time()
        names.search(asked, 100)
        took = 1000 * (time.process_time() - loaded) / len(asked)
        size = sum(file.stat().st_size for file in (folder / "bundle" / "names").iterdir()) / 1e6
        note = f"{len(names):,} names, {size:,.0f} MB on disk, {took:.2f} ms to search by a misspelt one"
    else:
        from pgmel import Linker, Mention

        wanted = list(entities_of(0, entities))[:: max(1, entities // mentions)] if entities < 100_000 else []
        wanted = wanted or [next(entities_of(number, number + 1)) for number in range(0, entities, entities // mentions)]
        with Linker.load(folder / "bundle") as linker:
            links = linker.link([Mention(record["id"], record["name"]) for record in wanted])
        names = {record["id"]: record["name"] for record in wanted}
        hits = sum(link.candidates[0].name == names[link.mention_id] for link in links)
        note = f"{hits} of {len(links)} first candidates have the mention's name"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{step:8} {time.perf_counter() - start:9.1f} s {peak:9,.0f} MB at most  {note}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--mentions", type=int, default=1000)
    parser.add_argument("--step", help="run one step, in --folder")
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    if args.step:
        run_step(args.step, args.folder, args.entities, args.dim, args.mentions)
        return
    with tempfile.TemporaryDirectory() as folder:
        sizes = ["--entities", str(args.entities), "--dim", str(args.dim), "--mentions", str(args.mentions)]
        for step in ("model", "write", "build", "index", "names", "link"):
            subprocess.run([sys.executable, __file__, *sizes, "--step", step, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
