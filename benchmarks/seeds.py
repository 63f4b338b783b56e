"""Train one configuration with several seeds and print the rows that the tables of results show.

Example: python benchmarks/seeds.py --config configs/wikimel-minilm.toml --data DATA/wikimel --out runs/seeds/wikimel
"""

import json
import resource
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pgmel.evaluation import Metrics, Ranks, aggregate_seeds, compare_paired
from pgmel.settings import read_settings
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.train import TrainingRun, train


def main(
    config: Annotated[Path, typer.Option(help="TOML file with settings.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs; finished seeds are not trained again.")],
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override a setting.")] = None,
    seeds: Annotated[int, typer.Option(help="Seeds 0 .. N-1.", min=1)] = 3,
) -> None:
    """Train with every seed, evaluate on dev, and print mean and 95 % t interval over the seeds."""
    runs: list[TrainingRun] = []
    for seed in range(seeds):
        began = time.monotonic()
        settings = read_settings(config, [*(overrides or []), f"seed={seed}"])
        run = train(settings, out / f"seed-{seed}", data)
        if run.zero_shot is None or run.trained is None or run.final is None:
            raise SystemExit("run this without torchrun")
        runs.append(run)
        stages = [("single vector", run.trained)] + ([("re-ranked", run.reranked)] if run.reranked else [])
        shown = "; ".join(f"{name} H@1 {m.result.overall.h_at_1.value:.4f}, MRR {m.result.overall.mrr.value:.4f}" for name, m in stages)
        print(f"seed {seed}: {shown}; {time.monotonic() - began:.0f} s in all", flush=True)
    before = runs[0].zero_shot
    assert before is not None
    vector = [run.trained for run in runs if run.trained]
    # Where a seed kept no second stage its links are those of the single vector.
    final = [run.final for run in runs if run.final]
    print_rows(out.name, before.result.overall, [m.result.overall for m in vector], [m.result.overall for m in final])
    dev = runs[0].material.splits[settings.data.dev_split]
    groups = clusters_of(dev, np.flatnonzero(dev.rankable))
    kept = sum(run.reranked is not None for run in runs)
    print_gain("the single vector over zero-shot", [before.ranks] * seeds, [m.ranks for m in vector], groups)
    print_gain(
        f"the second stage ({kept} of {seeds} seeds kept one) over the single vector",
        [m.ranks for m in vector],
        [m.ranks for m in final],
        groups,
    )
    waited, seconds = [run.waited_s for run in runs], [run.result.seconds for run in runs]
    print(f"first step after {min(waited):.0f} to {max(waited):.0f} s, training {min(seconds):.0f} to {max(seconds):.0f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20):.1f} GiB")


def print_rows(name: str, before: Metrics, vector: list[Metrics], final: list[Metrics]) -> None:
    """Print the figures of both stages as JSON and the row of the README's table."""
    one, two = aggregate_seeds(vector), aggregate_seeds(final)
    print(json.dumps({"single_vector": one.to_dict(), "final": two.to_dict()}, indent=1))
    cells = [summary.metrics[metric].format(3) for metric in ("h_at_1", "mrr") for summary in (one, two)]
    row = [name, before.h_at_1.format(3), *cells[:2], f"{before.mrr.value:.3f}", *cells[2:]]
    print("| " + " | ".join(row) + " |")


def print_gain(what: str, before: list[Ranks], after: list[Ranks], groups: list[str]) -> None:
    """Print the gain in H@1 and MRR, mean over the seeds, paired, whole clusters at a time."""
    old, new = (np.stack([ranks.realistic for ranks in part]) for part in (before, after))
    for metric, a, b in (("H@1", old <= 1, new <= 1), ("MRR", 1 / old, 1 / new)):
        gain = compare_paired(a.mean(axis=0), b.mean(axis=0), np.random.default_rng(0), groups)
        print(f"gain in {metric} of {what}: {gain.difference.format(4)}, p = {gain.p_value:.2g}")


if __name__ == "__main__":
    typer.run(main)
