"""``pgmel kb``: build a knowledge base from a file, change it, check it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from pgmel.files import encode_json
from pgmel.interfaces.commands.kb_options import (
    AliasesOption,
    AttributesOption,
    DelimiterOption,
    DescriptionOption,
    EncodingOption,
    FetchOption,
    FormatOption,
    IdOption,
    ImagesOption,
    MaxMbOption,
    NameOption,
    OnErrorOption,
    PicturesOption,
    SeparatorOption,
    TableOption,
    TimeoutOption,
    read_options,
)
from pgmel.interfaces.options import ImageEncoderOption, JsonOption, TextEncoderOption
from pgmel.kb.sources import DEFAULT_SEPARATOR, SourceOptions

if TYPE_CHECKING:
    from pgmel.kb.picture_sources import FetchLimits
    from pgmel.workflows.kb import KbOptions

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Build, change and check knowledge bases.")

_LISTED: Final = 20

SourceArgument = Annotated[Path, typer.Argument(help="File of entities.", show_default=False)]
TargetArgument = Annotated[Path, typer.Argument(help="Bundle, or what `pgmel kb build` wrote.", show_default=False)]
DeviceOption = Annotated[str, typer.Option("--device", help="Where encoders and model run: auto, cpu, cuda.")]


@app.command(epilog="Example: pgmel kb build products.csv --out kb/products --pictures photos.zip")
def build(
    source: SourceArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.", show_default=False)],
    file_format: FormatOption = "auto",
    table: TableOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    separator: SeparatorOption = DEFAULT_SEPARATOR,
    on_error: OnErrorOption = "stop",
    id_column: IdOption = None,
    name: NameOption = None,
    description: DescriptionOption = None,
    aliases: AliasesOption = None,
    images: ImagesOption = None,
    attributes: AttributesOption = None,
    pictures: PicturesOption = None,
    fetch_pictures: FetchOption = False,
    max_picture_mb: MaxMbOption = 20.0,
    fetch_timeout: TimeoutOption = 20.0,
    language: Annotated[
        list[str] | None, typer.Option(help="Wikidata: language of names and texts, best first; else en.", show_default=False)
    ] = None,
    instance_of: Annotated[
        list[str] | None, typer.Option(help="Wikidata: keep instances of this item; may be repeated.", show_default=False)
    ] = None,
    min_sitelinks: Annotated[int, typer.Option(help="Wikidata: keep items with so many sitelinks.", min=0)] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a knowledge base of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Build a knowledge base from JSON lines, CSV, TSV, Parquet, SQLite or a Wikidata dump; `pgmel index` makes a bundle of it.

    Columns are guessed from usual names. Where that leaves a doubt you are asked in a terminal, and told which option to use elsewhere.
    """
    from pgmel.workflows.kb import build_kb

    chosen = SourceOptions(file_format, table, delimiter, language or ("en",), instance_of or (), min_sitelinks, encoding)
    columns = {"id": id_column, "name": name, "description": description, "aliases": aliases, "images": images}
    fetch = _limits(fetch_pictures, max_picture_mb, fetch_timeout)
    about = build_kb(source, out, read_options(chosen, columns, attributes, separator, pictures, fetch, on_error), overwrite)
    if as_json:
        typer.echo(encode_json(about), nl=False)
        return
    typer.echo(f"{about['entities']:,} entities; knowledge base: {out}")
    mapped = {role: [column] if isinstance(column, str) else column for role, column in about["columns"].items() if column}
    typer.echo("columns: " + ", ".join(f"{role} = {' + '.join(names)}" for role, names in mapped.items()))
    if about["unused_columns"]:
        typer.echo(f"columns left out: {_listed(about['unused_columns'])} (--attributes takes them in)")
    if about["left_out"]:
        typer.echo(f"left out as asked: {about['left_out']:,}")
    _show_rest(about)


@app.command(epilog="Example: pgmel kb add bundles/products new-products.csv")
def add(
    target: TargetArgument,
    source: SourceArgument,
    file_format: FormatOption = "auto",
    table: TableOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    separator: SeparatorOption = DEFAULT_SEPARATOR,
    on_error: OnErrorOption = "stop",
    id_column: IdOption = None,
    name: NameOption = None,
    description: DescriptionOption = None,
    aliases: AliasesOption = None,
    images: ImagesOption = None,
    attributes: AttributesOption = None,
    pictures: PicturesOption = None,
    fetch_pictures: FetchOption = False,
    max_picture_mb: MaxMbOption = 20.0,
    fetch_timeout: TimeoutOption = 20.0,
    device: DeviceOption = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the entities of a file; only they are encoded and indexed. All of it is done, or nothing."""
    columns = {"id": id_column, "name": name, "description": description, "aliases": aliases, "images": images}
    fetch = _limits(fetch_pictures, max_picture_mb, fetch_timeout)
    options = read_options(
        SourceOptions(file_format, table, delimiter, encoding=encoding), columns, attributes, separator, pictures, fetch, on_error
    )
    _change(target, source, "add", options, device, text_encoder, image_encoder, as_json)


@app.command(epilog="Example: pgmel kb update bundles/products corrected.csv --add-missing")
def update(
    target: TargetArgument,
    source: SourceArgument,
    add_missing: Annotated[bool, typer.Option("--add-missing", help="Add entities that are not there yet.")] = False,
    file_format: FormatOption = "auto",
    table: TableOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    separator: SeparatorOption = DEFAULT_SEPARATOR,
    on_error: OnErrorOption = "stop",
    id_column: IdOption = None,
    name: NameOption = None,
    description: DescriptionOption = None,
    aliases: AliasesOption = None,
    images: ImagesOption = None,
    attributes: AttributesOption = None,
    pictures: PicturesOption = None,
    fetch_pictures: FetchOption = False,
    max_picture_mb: MaxMbOption = 20.0,
    fetch_timeout: TimeoutOption = 20.0,
    device: DeviceOption = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Change entities by a file: of each one what the file has a column for is replaced, the rest stays. All of it is done, or nothing."""
    columns = {"id": id_column, "name": name, "description": description, "aliases": aliases, "images": images}
    fetch = _limits(fetch_pictures, max_picture_mb, fetch_timeout)
    options = read_options(
        SourceOptions(file_format, table, delimiter, encoding=encoding), columns, attributes, separator, pictures, fetch, on_error
    )
    _change(target, source, "update", options, device, text_encoder, image_encoder, as_json, add_missing)


@app.command(epilog="Example: pgmel kb remove bundles/products sold-out.txt")
def remove(
    target: TargetArgument,
    source: Annotated[Path, typer.Argument(help="File with their ids: one per line, or a column of a table.", show_default=False)],
    file_format: FormatOption = "auto",
    table: TableOption = None,
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    on_error: OnErrorOption = "stop",
    id_column: IdOption = None,
    device: DeviceOption = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove entities by their ids. All of it is done, or nothing."""
    options = read_options(
        SourceOptions(file_format, table, delimiter, encoding=encoding), {"id": id_column}, None, "", None, None, on_error
    )
    _change(target, source, "remove", options, device, text_encoder, image_encoder, as_json)


@app.command(epilog="Example: pgmel kb check bundles/products")
def check(
    target: TargetArgument,
    pictures: Annotated[bool, typer.Option(help="Look for every picture file.")] = True,
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a bundle from end to end, and say what is wrong and what to do; the exit code is then 4."""
    from pgmel.workflows.kb import check_kb

    found = check_kb(target, pictures=pictures, text_encoder=text_encoder, image_encoder=image_encoder)
    if as_json:
        typer.echo(encode_json([finding._asdict() for finding in found]), nl=False)
    else:
        for finding in found:
            typer.echo(f"{finding.level:8}{finding.part:10}{finding.text}")
    if any(finding.level == "fault" for finding in found):
        raise typer.Exit(4)


@app.command(epilog="Example: pgmel kb export kb/products --out my-data/kb.jsonl")
def export(
    target: TargetArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write, JSON lines.", show_default=False)],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file of that name.")] = False,
) -> None:
    """Write the entities as JSON lines: the `kb.jsonl` of a data set to train on, or the source of another knowledge base."""
    from pgmel.workflows.kb import export_kb

    typer.echo(f"{export_kb(target, out, overwrite):,} entities: {out}")


def _listed(names: list[str]) -> str:
    """Return names in one line, the first ones of many."""
    return ", ".join([*names[:_LISTED], *([f"and {len(names) - _LISTED:,} more"] if len(names) > _LISTED else [])])


def _limits(fetch: bool, max_mb: float, timeout_s: float) -> "FetchLimits | None":
    from pgmel.kb.picture_sources import FetchLimits

    return FetchLimits(max_bytes=round(max_mb * 1_000_000), timeout_s=timeout_s) if fetch else None


def _change(
    target: Path,
    source: Path,
    action: Literal["add", "update", "remove"],
    options: "KbOptions",
    device: str,
    text_encoder: str | None,
    image_encoder: str | None,
    as_json: bool,
    add_missing: bool = False,
) -> None:
    from pgmel.workflows.kb import change_kb

    about = change_kb(
        target, source, action, options, add_missing=add_missing, device=device, text_encoder=text_encoder, image_encoder=image_encoder
    )
    if as_json:
        typer.echo(encode_json(about), nl=False)
        return
    done = ", ".join(f"{about[key]:,} {key}" for key in ("added", "changed", "unchanged", "removed") if about[key])
    typer.echo(f"{done or 'nothing to do'}; {target} has {about['entities']:,} entities")
    _show_rest(about)


def _show_rest(about: dict[str, Any]) -> None:
    counts = about["pictures"]
    if counts.get("named"):
        typer.echo("pictures: " + ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items() if count))
    for text in about["first_missing_pictures"]:
        typer.echo(f"  picture missing: {text}", err=True)
    if len(about["first_missing_pictures"]) < counts.get("missing", 0):
        typer.echo("  and more", err=True)
    if counts.get("missing") and not counts.get("found"):
        typer.echo("no picture was found; say where they are with --pictures, a folder or an archive", err=True)
    if counts.get("not_fetched"):
        typer.echo("pictures on the web are fetched with --fetch-pictures", err=True)
    if about["bad_rows"]:
        typer.echo(f"bad rows left out: {about['bad_rows']:,}; listed in {about['bad_rows_file']}", err=True)
        for text in about["first_bad_rows"]:
            typer.echo(f"  {text}", err=True)
