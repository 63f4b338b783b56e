"""``pgmel data``: describe a data set, audit its splits, convert it to our own layout, list the layouts that can be read."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pgmel.datasets import (
    LAYOUTS,
    Dataset,
    Description,
    PictureDescription,
    convert_dataset,
    describe_dataset,
    describe_pictures,
    load_dataset,
)
from pgmel.datasets.description import SplitCounts
from pgmel.files import encode_json
from pgmel.interfaces.commands.audit import EPILOG, audit
from pgmel.interfaces.options import DataPath, JsonOption, LayoutOption, OnErrorOption
from pgmel.interfaces.showing import faults_to_json, share, show_faults

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Look at data sets and convert them.")
app.command("audit", epilog=EPILOG)(audit)

# Rows of the table of splits: title, count, and what it is a share of.
SPLIT_ROWS: tuple[tuple[str, Callable[[SplitCounts], int], Callable[[SplitCounts], int] | None], ...] = (
    ("mentions", lambda split: split.mentions, None),
    ("different sentences", lambda split: split.contexts, None),
    ("mention found in its sentence", lambda split: split.located, lambda split: split.mentions),
    ("with a picture named", lambda split: split.with_picture, lambda split: split.mentions),
    ("not annotated", lambda split: split.unannotated, lambda split: split.mentions),
    ("NIL", lambda split: split.nil, lambda split: split.mentions),
    ("different gold entities", lambda split: split.gold_entities, None),
    ("  of them gold in train too", lambda split: split.seen_gold_entities, lambda split: split.gold_entities),
    (
        "mentions of such entities",
        lambda split: split.seen_mentions,
        lambda split: split.linked,
    ),
    ("text equals the gold name", lambda split: split.titles, lambda split: split.linked),
    ("text names several golds", lambda split: split.ambiguous, lambda split: split.linked),
    ("with a candidate list", lambda split: split.with_candidates, lambda split: split.linked),
    ("  gold among the candidates", lambda split: split.gold_in_candidates, lambda split: split.with_candidates),
    ("id holds the gold id", lambda split: split.telling_ids, lambda split: split.linked),
    ("picture's name holds the gold id", lambda split: split.telling_pictures, lambda split: split.linked),
)

AGAINST_TRAIN = frozenset({"  of them gold in train too", "mentions of such entities"})
"""Rows that compare a split with train, and so say nothing of train itself."""

ENTITY_ROWS = {
    "entities": "entities",
    "described": "with a description",
    "with_aliases": "with aliases",
    "with_attributes": "with attributes",
    "with_pictures": "with a picture named",
    "nameless": "without a name",
    "sharing_name": "sharing their name with another",
    "duplicates": "sharing name and text with another",
    "never_gold": "gold of no mention",
}


@app.command(epilog="Example: pgmel data describe WikiMEL --on-error skip")
def describe(
    path: DataPath,
    layout: LayoutOption = "auto",
    on_error: OnErrorOption = "stop",
    pictures: Annotated[bool, typer.Option(help="Open every picture, to count missing and broken ones.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Count what a data set holds: splits, entities, pictures, NIL, ambiguity, and what gives answers away."""
    dataset = load_dataset(path, layout, on_error)
    description = describe_dataset(dataset)
    seen = describe_pictures(dataset) if pictures else None
    if as_json:
        typer.echo(encode_json(_to_json(dataset, description, seen)), nl=False)
    else:
        _show(Console(), dataset, description, seen)


@app.command(epilog="Example: pgmel data convert WikiMEL wikimel-generic --copy-pictures")
def convert(
    path: DataPath,
    out: Annotated[Path, typer.Argument(help="Folder to write; it appears when it is complete.", show_default=False)],
    layout: LayoutOption = "auto",
    on_error: OnErrorOption = "stop",
    copy_pictures: Annotated[bool, typer.Option("--copy-pictures", help="Copy the pictures, under names that give nothing away.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder, if it holds a data set of this layout.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a data set in pgmel's own layout: kb.jsonl and one file per split."""
    dataset = load_dataset(path, layout, on_error)
    result = convert_dataset(dataset, out, copy_pictures, overwrite)
    if as_json:
        typer.echo(encode_json({**asdict(result), "folder": str(result.folder), "faults": faults_to_json(dataset)}), nl=False)
        return
    console = Console()
    counts = ", ".join(f"{count:,} {split}" for split, count in result.mentions.items()) or "no"
    console.print(
        f"Wrote {result.entities:,} entities and {counts} mentions to {result.folder}", highlight=False, markup=False, soft_wrap=True
    )
    if copy_pictures:
        console.print(f"Copied {result.pictures_copied:,} pictures; {result.pictures_missing:,} were missing", highlight=False)
    show_faults(console, dataset)


@app.command(epilog="Example: pgmel data layouts")
def layouts(as_json: JsonOption = False) -> None:
    """List the layouts that can be read, and the files by which each is recognised."""
    if as_json:
        listed = [{"name": item.name, "description": item.description, "looks_for": item.looks_for} for item in LAYOUTS.values()]
        typer.echo(encode_json(listed), nl=False)
        return
    table = Table("layout", "data sets", "recognised by")
    for item in LAYOUTS.values():
        table.add_row(item.name, item.description, item.looks_for)
    Console().print(table)


def _to_json(dataset: Dataset, description: Description, pictures: PictureDescription | None) -> dict[str, Any]:
    faults = faults_to_json(dataset)
    return {**asdict(description), "path": str(dataset.root), "faults": faults, "pictures": asdict(pictures) if pictures else None}


def _show(console: Console, dataset: Dataset, description: Description, pictures: PictureDescription | None) -> None:
    title = f"{description.name}: {description.layout} layout, {description.entities.entities:,} entities"
    console.print(title, style="bold", highlight=False, markup=False)
    table = Table("mentions", *description.splits, title_justify="left")
    for label, count, whole in SPLIT_ROWS:
        cells = [
            "-"
            if label in AGAINST_TRAIN and (name == "train" or "train" not in description.splits)
            else share(count(split), whole(split) if whole else None)
            for name, split in description.splits.items()
        ]
        table.add_row(label, *cells)
    if pictures:
        usable = (share(pictures.usable[name], split.mentions) for name, split in description.splits.items())
        table.add_row("with a usable picture", *usable)
        table.add_row(
            "picture nearly its gold entity's", *(share(pictures.twins[name], split.linked) for name, split in description.splits.items())
        )
    console.print(table)
    console.print(
        f"{description.ambiguous_surfaces:,} of {description.surfaces:,} mention texts name several gold entities", highlight=False
    )
    if description.overlaps:
        shared = Table("mentions that share with", "sentence", "picture", "whole row")
        for pair in description.overlaps:
            label = f"{pair.second}, with {pair.first}"
            shared.add_row(label, f"{pair.shared_contexts:,}", f"{pair.shared_pictures:,}", f"{pair.shared_rows:,}")
        console.print(shared)
    kb = Table("knowledge base", "entities")
    for key, label in ENTITY_ROWS.items():
        kb.add_row(label, share(getattr(description.entities, key), None if key == "entities" else description.entities.entities))
    console.print(kb)
    if pictures:
        _show_pictures(console, pictures)
    for note in description.notes:
        console.print(f"Note: {note}", highlight=False, markup=False)
    show_faults(console, dataset)


def _show_pictures(console: Console, pictures: PictureDescription) -> None:
    sides: Mapping[str, Any] = {"mentions'": pictures.mentions, "entities'": pictures.entities}
    kinds = sorted({kind for side in sides.values() for kind in side.faults} - {"missing"})
    table = Table("picture files", "named", "usable", "missing", *kinds)
    for label, side in sides.items():
        table.add_row(label, f"{side.named:,}", f"{side.usable:,}", *(f"{side.faults.get(kind, 0):,}" for kind in ("missing", *kinds)))
    console.print(table)
    for side in sides.values():
        for example in side.examples:
            console.print(f"  {example}", highlight=False, markup=False, soft_wrap=True)
