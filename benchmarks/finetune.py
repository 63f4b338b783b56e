"""Train on a part of the mentions with a frozen text encoder and with one that learns along, and compare the two on dev.

Both get the same mentions, updates, seeds and settings but for ``features.train_encoder``; dev is ranked against the whole KB, once, at the
end. A run that was interrupted goes on; a finished one is only measured again, from cached vectors.

Example: python benchmarks/finetune.py --data DATA/wikimel --out runs/finetune
"""

import json
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from pgmel.evaluation import Metrics, aggregate_seeds, compare_paired
from pgmel.settings import read_settings
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.train import TrainingRun, train

FROZEN = "none"
BUDGET = (
    "training.batch_size=64",
    "training.pretrain_epochs=1",
    "training.epochs=4",
    "training.evaluate_every=1000",
    "training.checkpoint_every=20",
    "training.keep_checkpoints=1",
)
"""Five epochs of the discriminator: more do not help the frozen encoder on 2,000 mentions.

Dev is ranked at the end only: for an encoder that learns this means to encode the whole KB anew.
"""


def main(
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    config: Annotated[Path, typer.Option(help="TOML file with settings.")] = Path("configs/wikimel-minilm.toml"),
    modes: Annotated[str, typer.Option(help="Values of features.train_encoder, with commas.")] = "last-2",
    mentions: Annotated[int, typer.Option(help="Training mentions; 0 takes all.")] = 2000,
    seeds: Annotated[str, typer.Option(help="Seeds, with commas.")] = "0,1,2",
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Override a setting, of all runs.")] = None,
) -> None:
    """Train with every mode and seed; print each run, the means over the seeds, and the paired difference to the frozen encoder."""
    numbers = [int(seed) for seed in seeds.split(",")]
    hits: dict[str, np.ndarray] = {}
    for mode in (FROZEN, *modes.split(",")):
        measured: list[Metrics] = []
        for seed in numbers:
            own = [f"features.train_encoder={mode}", f"seed={seed}", *([f"data.max_train_mentions={mentions}"] if mentions else [])]
            began = time.monotonic()
            run = train(read_settings(config, [*BUDGET, *(overrides or []), *own]), out / mode / f"seed-{seed}", data)
            first, found, groups = _outcome(run)
            measured.append(found)
            hits[mode] = hits.get(mode, np.zeros(len(first))) + first / len(numbers)
            print(f"{mode} seed {seed}: {_row(found)}, {run.result.steps} steps in {run.result.seconds:.0f} s", end="", flush=True)
            print(f", {time.monotonic() - began:.0f} s in all", flush=True)
        summary = aggregate_seeds(measured).metrics
        gain = compare_paired(hits[FROZEN], hits[mode], np.random.default_rng(0), groups)
        line = {"mode": mode, "h_at_1": summary["h_at_1"].format(4), "mrr": summary["mrr"].format(4)}
        if mode != FROZEN:
            line |= {"gain over frozen": gain.difference.format(4), "p": f"{gain.p_value:.2g}"}
        print(json.dumps(line), flush=True)


def _outcome(run: TrainingRun) -> tuple[np.ndarray, Metrics, list[str]]:
    """Return which dev mentions were ranked first, the figures, and the sentence of each."""
    if run.trained is None:
        raise SystemExit("run this without torchrun")
    dev = run.material.splits["dev"]
    groups = clusters_of(dev, np.flatnonzero(dev.rankable))
    return run.trained.ranks.realistic <= 1, run.trained.result.overall, groups


def _row(found: Metrics) -> str:
    return f"H@1 {found.h_at_1.value:.4f}, MRR {found.mrr.value:.4f}"


if __name__ == "__main__":
    typer.run(main)
