"""Train one configuration with several seeds and print the row that README's table of results shows.

Example: python benchmarks/seeds.py --config configs/wikimel-minilm.toml --data DATA/wikimel --out runs/seeds/wikimel
"""

import json
import resource
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pgmel.evaluation import Interval, Metrics, aggregate_seeds, compare_paired
from pgmel.settings import read_settings
from pgmel.workflows.train import train


def main(
    config: Annotated[Path, typer.Option(help="TOML file with settings.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished seeds are not trained again.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override a setting.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds 0 .. N-1.")] = 3,
) -> None:
    """Train with every seed, evaluate on dev, and print mean and 95 % t interval over the seeds."""
    before: Metrics | None = None
    hits_before = hits_after = groups = None
    after: list[Metrics] = []
    seconds: list[float] = []
    waited: list[float] = []
    for seed in range(seeds):
        settings = read_settings(config, [*(overrides or []), f"seed={seed}"])
        began = time.monotonic()
        run = train(settings, out / f"seed-{seed}", data)
        if run.zero_shot is None or run.trained is None:
            raise SystemExit("run this without torchrun")
        before = before or run.zero_shot.result.overall
        dev = run.material.splits[settings.data.dev_split]
        groups = [dev.mentions[row].context or dev.mentions[row].id for row in np.flatnonzero(dev.rankable)]
        hits_before = run.zero_shot.ranks.realistic <= 1
        hits = (run.trained.ranks.realistic <= 1) / seeds
        hits_after = hits if hits_after is None else hits_after + hits
        after.append(run.trained.result.overall)
        waited.append(run.waited_s)
        seconds.append(run.result.seconds)
        overall = run.trained.result.overall
        print(
            f"seed {seed}: H@1 {overall.h_at_1.value:.4f}, MRR {overall.mrr.value:.4f}, {time.monotonic() - began:.0f} s in all", flush=True
        )
    if before is None or hits_before is None or hits_after is None:
        raise SystemExit("--seeds must be at least 1")
    summary = aggregate_seeds(after)
    print(json.dumps(summary.to_dict(), indent=1))
    h_at_1, mrr = summary.metrics["h_at_1"], summary.metrics["mrr"]
    row = [out.name, _show(before.h_at_1), _show(h_at_1), f"{before.mrr.value:.3f}", _show(mrr)]
    print("| " + " | ".join(row) + " |")
    gain = compare_paired(hits_before, hits_after, np.random.default_rng(0), groups)
    difference = _show(gain.difference)
    print(f"gain in H@1 over zero-shot, mean of the seeds, paired by sentence: {difference}, p = {gain.p_value:.2g}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20)
    print(f"first step after {min(waited):.0f} to {max(waited):.0f} s, training {min(seconds):.0f} to {max(seconds):.0f} s")
    print(f"peak memory {peak:.1f} GiB")


def _show(interval: Interval) -> str:
    if interval.low is None or interval.high is None:
        return f"{interval.value:.3f}"
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    typer.run(main)
