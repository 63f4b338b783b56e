"""Time of changing a bundle: add, change and remove some entities of many (synthetic names, character n-grams, no model to download).

Run: ``OMP_NUM_THREADS=2 python benchmarks/bench_kb.py`` (100,000 entities; ``--entities 5000`` to try it).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench_million import build_model, entities_of

from pgmel.linking import check_bundle
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.kb import KbOptions, build_kb, change_kb


def write(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entities", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=100)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--kind", default="auto", choices=("auto", "exact", "ivfpq"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def timed(what: str, action: Any) -> None:
            start = time.perf_counter()
            action()
            print(f"{what:32} {time.perf_counter() - start:8.2f} s", flush=True)

        model = build_model(folder, args.dim)
        source = write(folder / "all.jsonl", entities_of(0, args.entities))
        new = write(folder / "new.jsonl", entities_of(args.entities, args.entities + args.changed))
        other = write(folder / "other.jsonl", ({**record, "name": record["name"] + " II"} for record in entities_of(0, args.changed)))
        gone = write(folder / "gone.jsonl", entities_of(0, args.changed))
        bundle, options = folder / "bundle", KbOptions()
        timed(f"build {args.entities:,}", lambda: build_kb(source, folder / "kb", options))
        timed("encode and index all", lambda: build_bundle(model, folder / "kb", bundle, kind=args.kind, device="cpu"))
        timed(f"add {args.changed}", lambda: change_kb(bundle, new, "add", options, device="cpu"))
        timed(f"change {args.changed}", lambda: change_kb(bundle, other, "update", options, device="cpu"))
        timed(f"remove {args.changed}", lambda: change_kb(bundle, gone, "remove", options, device="cpu"))
        print(f"faults: {check_bundle(bundle) or 'none'}")


if __name__ == "__main__":
    main()
