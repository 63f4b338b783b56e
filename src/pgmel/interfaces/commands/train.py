"""``pgmel train``: from a data set to a trained, evaluated, saved linker."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from pgmel.files import encode_json
from pgmel.interfaces.showing import describe_second_stage, show_decision
from pgmel.settings import read_settings

__all__ = ["EPILOG", "train"]

EPILOG: Final = "Example: pgmel train --config configs/wikimel-minilm.toml --data data/wikimel --out runs/wikimel --set training.margin=0.3"


def train(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="TOML file with settings.", show_default=False)] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of the data set.", show_default=False)] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run: bundle, metrics, checkpoints.")] = Path("runs/train"),
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Override a setting, as group.key=value; may be repeated.", show_default=False)
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew instead of going on from a checkpoint.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Train a linker on a data set, evaluate it on dev, and save it as a bundle.

    After Ctrl-C, or a kill, the same command goes on where it stopped.
    """
    settings = read_settings(config, overrides or [])
    from pgmel.evaluation import render_slices, render_table
    from pgmel.workflows.train import train as run_training

    run = run_training(settings, out, data, restart=restart)
    if run.zero_shot is None or run.trained is None:
        return  # another process of the same run reports
    if as_json:
        results: dict[str, Any] = {"zero_shot": run.zero_shot.result.to_dict(), "trained": run.trained.result.to_dict()}
        if run.reranked is not None and run.second_stage is not None:
            results |= {"reranked": run.reranked.result.to_dict(), "second_stage": run.second_stage.to_dict()}
        typer.echo(encode_json({"bundle": str(run.bundle), "steps": run.result.steps, "best_step": run.result.best_step, **results}))
        return
    console = Console()
    split = settings.data.dev_split
    systems = {"zero-shot": run.zero_shot.result, "trained": run.trained.result}
    if run.reranked is not None:
        systems["re-ranked"] = run.reranked.result
    console.print(render_table({name: result.overall for name, result in systems.items()}, f"{run.material.dataset.name}, {split}"))
    console.print(render_slices({name: result.slices for name, result in systems.items()}))
    if run.second_stage is not None:
        console.print(describe_second_stage(run.second_stage), highlight=False)
    elif settings.linking.rerank:
        console.print("No second stage: nothing to fit it on, or no gain on held-out training mentions")
    for reason, count in run.trained.result.excluded.items():
        console.print(f"{count:,} mentions of {split} were not ranked: {reason}")
    decision = run.decision
    if decision is not None and settings.linking.nil:
        show_decision(console, decision, split)
    early = ", stopped early" if run.result.stopped_early else ""
    console.print(f"{run.result.steps:,} steps in {run.result.seconds:,.0f} s{early}; best after step {run.result.best_step:,}")
    console.print(f"bundle: {run.bundle}", soft_wrap=True, markup=False, highlight=False)
