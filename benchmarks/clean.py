"""Measure trained bundles on a whole split and on its clean part, and print the row that docs/audit.md shows.

Data are audited first, if the folder of the audit does not hold the clean split yet. Nothing is trained.

Example: python benchmarks/clean.py --runs runs/seeds/wikimel-minilm --data DATA/wikimel --audit runs/audits/wikimel
"""

from pathlib import Path
from typing import Annotated

import typer

from pgmel.datasets import audit_dataset, load_dataset
from pgmel.datasets.audit import check_folder, clean_name, write_audit
from pgmel.evaluation import Metrics, aggregate_seeds
from pgmel.linking import read_card
from pgmel.settings import Settings
from pgmel.workflows.evaluate import evaluate_bundle, settings_of


def main(
    runs: Annotated[Path, typer.Option(help="Folder with the runs seed-0, seed-1 ..., each with a bundle.")],
    data: Annotated[Path, typer.Option(help="Folder of the data set.")],
    audit: Annotated[Path, typer.Option(help="Folder of the audit; it serves as the data set with clean splits.")],
    split: Annotated[str, typer.Option(help="Split to measure on.")] = "dev",
) -> None:
    """Evaluate every seed's bundle on the split and on its clean part; print means and 95 % t intervals over the seeds."""
    bundles = sorted(runs.glob("seed-*/bundle"))
    if not bundles:
        raise SystemExit(f"there is no seed-N/bundle in {runs}")
    settings = settings_of(read_card(bundles[0]), bundles[0])
    clean = clean_name(split)
    if not has_split(audit, clean):
        write_clean(data, audit, split, settings)
    cells: list[str] = []
    for name in (split, clean):
        measured: list[Metrics] = []
        for bundle in bundles:
            found = evaluate_bundle(bundle, audit, name, on_error=settings.data.on_error).overall
            measured.append(found)
            print(f"{bundle.parent.name}, {name}: H@1 {found.h_at_1.value:.4f}, MRR {found.mrr.value:.4f}", flush=True)
        summary = aggregate_seeds(measured).metrics
        cells += [f"{measured[0].num_mentions:,}", summary["h_at_1"].format(), summary["mrr"].format()]
    print(f"| {runs.name} | " + " | ".join(cells) + " |")


def has_split(audit: Path, clean: str) -> bool:
    """Return whether an audit's folder holds a clean split."""
    return audit.is_dir() and clean in load_dataset(audit, "auto", "skip").splits


def write_clean(data: Path, audit: Path, split: str, settings: Settings) -> None:
    """Audit a split against train, and write its clean part."""
    dataset = load_dataset(data, settings.data.layout, settings.data.on_error)
    check_folder(audit, dataset)
    write_audit(audit_dataset(dataset, settings.data.train_split, [split]), dataset, audit)


if __name__ == "__main__":
    typer.run(main)
