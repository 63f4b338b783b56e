"""``pgmel data audit``: find what leaks between the splits of a data set, and write the clean part of a split."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pgmel.datasets import Audit, Dataset, audit_dataset, load_dataset
from pgmel.datasets.audit import (
    FINDINGS,
    SEVERITIES,
    Finding,
    SplitAudit,
    audit_to_json,
    check_folder,
    clean_name,
    write_audit,
    write_clean_splits,
)
from pgmel.files import encode_json
from pgmel.interfaces.options import DataPath, JsonOption, LayoutOption, OnErrorOption
from pgmel.interfaces.showing import counted, faults_to_json, share, show_faults

__all__ = ["EPILOG", "audit"]

EPILOG: Final = "Example: pgmel data audit WikiMEL --split dev --out audits/wikimel"

NUM_SHOWN = 3
"""Examples of each finding; the JSON has more, the lists of mentions have all."""


def audit(
    path: DataPath,
    layout: LayoutOption = "auto",
    on_error: OnErrorOption = "stop",
    train: Annotated[str | None, typer.Option(help="Split to compare with; by default train, if there is one.", show_default=False)] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(help="Split to audit; may be repeated. By default every published one but --train.", show_default=False),
    ] = None,
    pictures: Annotated[bool, typer.Option(help="Open pictures, to find copies and near-copies.")] = True,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Write report, verdicts and clean splits to this folder, which then serves as --data.", show_default=False
        ),
    ] = None,
    beside: Annotated[bool, typer.Option("--beside", help="Write the clean splits into the data set's own folder.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find sentences, pictures and rows shared between splits, and what else gives answers away; tell and write what is clean."""
    dataset = load_dataset(path, layout, on_error)
    if out is not None:
        check_folder(out, dataset)
    found = audit_dataset(dataset, train, split or (), pictures)
    written: list[Path] = []
    if out is not None:
        write_audit(found, dataset, out)
        written.append(out)
    if beside:
        written.append(write_clean_splits(found, dataset))
    if as_json:
        values = {**audit_to_json(found), "faults": faults_to_json(dataset), "written": [str(item) for item in written]}
        typer.echo(encode_json(values), nl=False)
        return
    console = Console()
    _show(console, dataset, found)
    names = ", ".join(clean_name(part.split) for part in found.splits)
    data = out if out is not None else dataset.root
    for item in written:
        console.print(f"Wrote {escape(str(item))}", highlight=False, soft_wrap=True)
    if written:
        console.print(f"The clean splits are {escape(names)} of --data {escape(str(data))}", highlight=False, soft_wrap=True)


def _show(console: Console, dataset: Dataset, found: Audit) -> None:
    train = found.splits[0].train
    against = f", compared with {train}" if train else ""
    console.print(f"{found.name}: {found.layout} layout{against}", style="bold", highlight=False, markup=False)
    console.print(_table(found, train))
    for part in found.splits:
        _show_pictures(console, part)
    duplicates = found.entities
    console.print(
        f"Knowledge base: {share(duplicates.exact, duplicates.entities)} of {duplicates.entities:,} entities share name and text with "
        f"another, {share(duplicates.folded, duplicates.entities)} but for case, spaces and punctuation",
        highlight=False,
    )
    for name, ids in duplicates.examples[:NUM_SHOWN]:
        _print_line(console, f"  {name}: {', '.join(ids)}")
    if train is None:
        console.print("Note: there is no train split, so nothing was compared", highlight=False)
    for note in found.notes:
        console.print(f"Note: {note}", highlight=False, markup=False)
    for part in found.splits:
        _show_examples(console, part)
    show_faults(console, dataset)


def _table(found: Audit, train: str | None) -> Table:
    table = Table("mentions", *(part.split for part in found.splits))
    table.add_row("all", *(f"{len(part.mentions):,}" for part in found.splits))
    table.add_row("clean", *(share(len(part.clean), len(part.mentions)) for part in found.splits), style="bold", end_section=True)
    for severity, heading in SEVERITIES.items():
        table.add_row(heading, *[""] * len(found.splits), style="bold")
        kinds = [(name, kind) for name, kind in FINDINGS.items() if kind.severity == severity]
        for name, kind in kinds:
            cells = (_cell(part.findings.get(name), part) for part in found.splits)
            table.add_row(_title(kind.title, train), *cells, end_section=name == kinds[-1][0])
    return table


def _cell(finding: Finding | None, part: SplitAudit) -> str:
    return "-" if finding is None else share(len(finding.hits), len(part.mentions)) if finding.hits else "0"


def _title(title: str, train: str | None) -> str:
    return title.format(train=train or "train")


def _show_pictures(console: Console, part: SplitAudit) -> None:
    seen = part.pictures
    if seen is None:
        console.print(f"Pictures of {part.split}: not opened, compared by name and address alone", highlight=False, markup=False)
        return
    sides: dict[str, Any] = {"mentions": (seen.usable, seen.named), "gold entities": (seen.gold_usable, seen.gold_named)}
    if part.train:
        sides[part.train] = (seen.train_usable, seen.train_named)
    opened = ", ".join(f"{usable:,} of {named:,} ({side})" for side, (usable, named) in sides.items())
    missing = any(usable < named for usable, named in sides.values())
    warning = "; copies among the others were not looked for" if missing else ""
    console.print(f"Pictures of {part.split}: could open {opened}{warning}", highlight=False, markup=False)


def _show_examples(console: Console, part: SplitAudit) -> None:
    for finding in part.findings.values():
        if finding.kind.severity == "fact" or not finding.hits:
            continue
        title = _title(finding.kind.title, part.train)
        console.print(f"{part.split}, {title}: {counted(len(finding.hits), 'mention')}, {finding.items:,} different", highlight=False)
        for hit in finding.examples(NUM_SHOWN):
            _print_line(console, f"  {part.mentions[hit.row].id} ~ {hit.other}: {' '.join(hit.what.split())}")


def _print_line(console: Console, text: str) -> None:
    console.print(Text(text), no_wrap=True, overflow="ellipsis", highlight=False)
