"""Rank 5,000 mentions against a KB of 110,000 entities, 512 dimensions: in chunks, and as most scripts do it, through the full matrix.

Run: ``OMP_NUM_THREADS=2 python benchmarks/bench_ranks.py`` (about 5 minutes and 7 GB, nearly all of it for the naive way).

Each way runs in a process of its own, so that its peak of memory is its own; the two ways take turns, and medians are printed. The naive
way scores everything at once, sorts each row, and looks up where the gold stands; ties fall where the sort leaves them.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np

WAYS = ("chunked", "chunked_top10", "naive")


def make_problem(mentions: int, entities: int, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kb = rng.standard_normal((entities, dim), dtype=np.float32)
    kb /= np.linalg.norm(kb, axis=1, keepdims=True)
    gold = rng.integers(0, entities, mentions)
    found = kb[gold] + 0.2 * rng.standard_normal((mentions, dim), dtype=np.float32)  # H@1 near 0.75
    return found / np.linalg.norm(found, axis=1, keepdims=True), kb, gold


def rank_naively(mentions: np.ndarray, kb: np.ndarray, gold: np.ndarray) -> np.ndarray:
    order = np.argsort(-(mentions @ kb.T), axis=1)
    return np.argmax(order == gold[:, None], axis=1) + 1


def run_one(way: str, sizes: tuple[int, int, int]) -> None:
    from pgmel.evaluation import rank_against_kb

    mentions, kb, gold = make_problem(*sizes)
    start = time.perf_counter()
    if way == "naive":
        ranks = rank_naively(mentions, kb, gold)
    else:
        ranks = rank_against_kb(mentions, kb, gold, top_k=10 if way == "chunked_top10" else 0).realistic
    seconds = time.perf_counter() - start
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "h_at_1": float(np.mean(ranks <= 1)), "mrr": float(np.mean(1 / ranks)), "peak_mb": peak_mb}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mentions", type=int, default=5_000)
    parser.add_argument("--entities", type=int, default=110_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--way", choices=WAYS, help="run one way once and print JSON")
    args = parser.parse_args()
    sizes = args.mentions, args.entities, args.dim
    if args.way:
        run_one(args.way, sizes)
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    shape = ["--mentions", str(args.mentions), "--entities", str(args.entities), "--dim", str(args.dim)]
    for _ in range(args.repeats):
        for way in WAYS:
            command = [sys.executable, __file__, *shape, "--way", way]
            found[way].append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    print(f"{args.mentions:,} mentions x {args.entities:,} entities x {args.dim}, {threads} threads, {args.repeats} runs")
    naive = statistics.median(run["seconds"] for run in found["naive"])
    for way, runs in found.items():
        seconds = [run["seconds"] for run in runs]
        median = statistics.median(seconds)
        spread = f"{min(seconds):.1f}-{max(seconds):.1f}"
        print(
            f"{way:14} median {median:6.2f} s ({spread}), {naive / median:5.1f} x naive, "
            f"{max(run['peak_mb'] for run in runs):6.0f} MB at most, H@1 {runs[0]['h_at_1']:.4f}, MRR {runs[0]['mrr']:.4f}"
        )


if __name__ == "__main__":
    main()
