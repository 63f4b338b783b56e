"""``pgmel link``: link one mention and show its candidates, or a file of mentions into a file of links."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pgmel.datasets.collecting import locate
from pgmel.errors import SettingError
from pgmel.files import encode_json
from pgmel.interfaces.commands.link_explanations import show_explanations
from pgmel.interfaces.commands.link_options import (
    BatchOption,
    ContextColumnOption,
    DelimiterOption,
    EncodingOption,
    EndColumnOption,
    FormatOption,
    IdColumnOption,
    ImageColumnOption,
    ImageFolderOption,
    InputOption,
    MentionColumnOption,
    OutputFormatOption,
    OutputOption,
    OverwriteOption,
    PrefixOption,
    RestartOption,
    StartColumnOption,
    StrictOption,
)
from pgmel.interfaces.opening import open_linker
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption
from pgmel.interfaces.showing import counted
from pgmel.progress import waiting
from pgmel.records import Link, Mention

if TYPE_CHECKING:
    from pgmel.linking import BulkJob, Linker

__all__ = ["EPILOG", "link"]

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

BAD_LINES: Final = 3
"""Exit code under ``--strict`` where rows could not be used; that of faulty data."""

_DESCRIPTION_CHARACTERS: Final = 100
EPILOG: Final = (
    'Examples: pgmel link --bundle runs/demo/bundle --text "The flag of Georgia." --mention Georgia   |   '
    "pgmel link --bundle runs/demo/bundle --input posts.csv --output posts-linked.csv"
)

BundleOption = Annotated[Path, typer.Option("--bundle", "-b", help="Folder that training wrote.", show_default=False)]
TextOption = Annotated[str | None, typer.Option("--text", help="The sentence around the mention.", show_default=False)]
MentionOption = Annotated[str | None, typer.Option("--mention", help="The words to link.", show_default=False)]
ImageOption = Annotated[Path | None, typer.Option("--image", help="A picture that goes with the mention.", show_default=False)]
TopKOption = Annotated[int, typer.Option("--top-k", min=1, help="Candidates shown or written for each mention.")]
DeviceOption = Annotated[str, typer.Option("--device", help="Where encoders and model run: auto, cpu, cuda, cuda:1, mps.")]
MinProbabilityOption = Annotated[
    float | None,
    typer.Option(
        "--min-probability",
        min=0,
        max=1,
        help="Link wherever the best candidate has this probability, and answer NIL elsewhere; instead of the bundle's thresholds.",
        show_default=False,
    ),
]
ExplainOption = Annotated[
    bool,
    typer.Option("--explain", help="Say why each candidate has its score; linking then takes several times as long, more with pictures."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def link(
    bundle: BundleOption,
    text: TextOption = None,
    mention: MentionOption = None,
    image: ImageOption = None,
    source: InputOption = None,
    output: OutputOption = None,
    top_k: TopKOption = 10,
    explain: ExplainOption = False,
    min_probability: MinProbabilityOption = None,
    batch_size: BatchOption = 64,
    file_format: FormatOption = "auto",
    output_format: OutputFormatOption = "auto",
    delimiter: DelimiterOption = None,
    encoding: EncodingOption = None,
    prefix: PrefixOption = None,
    image_folder: ImageFolderOption = None,
    mention_column: MentionColumnOption = None,
    context_column: ContextColumnOption = None,
    start_column: StartColumnOption = None,
    end_column: EndColumnOption = None,
    image_column: ImageColumnOption = None,
    id_column: IdColumnOption = None,
    device: DeviceOption = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    strict: StrictOption = False,
    restart: RestartOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Link a mention, or a file of them, to the entities of a bundle's knowledge base.

    A file is linked in order and in bounded memory. After Ctrl-C the same command continues where it stopped. Rows that cannot be used
    are kept aside with their number and the reason; a picture that is missing or broken is no fault: its mention is linked by text.
    """
    with waiting("starting", tell=False):
        from pgmel.linking import BulkJob, BulkOptions, InputOptions, Linker, bundle_identity

    def load() -> Linker:
        with waiting(f"loading {bundle} and its encoders"):
            linker = open_linker(bundle, device, text_encoder, image_encoder)
        if min_probability is not None:
            linker.require_probability(min_probability)
        return linker

    if (mention is None) == (source is None):
        raise SettingError("name either --mention (with --text, --image) or --input and --output")
    columns = {
        **{"mention": mention_column, "context": context_column, "start": start_column},
        **{"end": end_column, "image": image_column, "id": id_column},
    }
    reading = InputOptions(file_format, delimiter, encoding, columns, image_folder)
    options = BulkOptions(top_k, reading, output_format, prefix, explain)
    if mention is not None:
        asked = reading != InputOptions(columns=dict.fromkeys(columns)) or output_format != "auto" or prefix is not None
        if output is not None or strict or restart or overwrite or asked:
            raise SettingError("options about files, such as --output, --strict and --mention-column, go with --input")
        with _quiet_features():
            _link_one(load, _to_mention(mention, text or "", image), top_k, explain, as_json)
        return
    if text is not None or image is not None:
        raise SettingError("--text and --image go with --mention; of --input they are columns: --context-column and --image-column")
    if source is None or output is None:
        raise SettingError("--input needs --output, the file to write links to")
    identity = bundle_identity(bundle) + ("" if min_probability is None else f" from {min_probability}")
    job = BulkJob(source, output, identity, options, restart, overwrite)
    with _quiet_features():
        _link_file(load, job, batch_size, as_json)
    if strict and job.counts.bad:
        raise typer.Exit(BAD_LINES)


@contextmanager
def _quiet_features() -> Iterator[None]:
    """Keep the encoders from reporting every batch; what they say of unusable pictures stands in each link already."""
    logger = logging.getLogger("pgmel.features")
    level = logger.level
    if not logger.isEnabledFor(logging.DEBUG):
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _to_mention(surface: str, context: str, image: Path | None) -> Mention:
    if not surface.strip() and image is None:
        raise SettingError("--mention is empty; give the words to link, or a picture with --image")
    start, end = locate(surface, context)
    return Mention("mention", surface, context, start, end, image)


def _link_one(load: Callable[[], "Linker"], mention: Mention, top_k: int, explain: bool, as_json: bool) -> None:
    from pgmel.linking import link_values

    with load() as linker:
        found = linker.link([mention], top_k, explain)[0]
        if as_json:
            typer.echo(encode_json(link_values(found, mention)), nl=False)
        else:
            _show(Console(), found, linker)


def _show(console: Console, found: Link, linker: "Linker") -> None:
    rows = linker.kb.rows_of([candidate.entity_id for candidate in found.candidates])
    table = Table("", "name")
    table.add_column("id", overflow="fold")  # the one cell that people copy
    for heading in ("score", "probability", "description"):
        table.add_column(heading)
    for place, (candidate, entity) in enumerate(zip(found.candidates, linker.kb.get_many(rows), strict=True), start=1):
        probability = "" if candidate.probability is None else f"{candidate.probability:.3f}"
        description = entity.description[:_DESCRIPTION_CHARACTERS] + "…" * (len(entity.description) > _DESCRIPTION_CHARACTERS)
        chosen = "bold" if candidate.entity_id == found.entity_id else ""
        cells = (str(place), candidate.name, candidate.entity_id, f"{candidate.score:.3f}", probability, description)
        table.add_row(*map(Text, cells), style=chosen)
    console.print(table)
    show_explanations(console, found)
    for warning in found.warnings:
        console.print(Text(f"Note: {warning}"))
    console.print(Text(_sentence(found, linker)))


def _sentence(found: Link, linker: "Linker") -> str:
    if not found.candidates:
        return "NIL, unsure: there is no candidate" if found.unsure else "NIL: there is no candidate"
    best = found.candidates[0]
    if not found.is_nil:
        sure = "" if found.probability is None else f", probability {found.probability:.3f}"
        return f"Linked to {best.name} ({best.entity_id}){sure}"
    if best.probability is None or linker.decision is None:
        return "NIL"
    if not found.unsure:
        return f"NIL: that the knowledge base lacks the entity has the probability {found.probability:.3f}, which is enough"
    if linker.decision.threshold is None:
        return "NIL, unsure: nothing is linked, since no threshold reaches the link precision that was asked for"
    return f"NIL, unsure: the best candidate's probability {best.probability:.3f} is below the threshold {linker.decision.threshold:.3f}"


def _link_file(load: Callable[[], "Linker"], job: "BulkJob", batch_size: int, as_json: bool) -> None:
    errors = Console(stderr=True)
    _say(errors, _about_columns(job))
    if job.counts.rows:
        _say(errors, f"Continuing after row {job.counts.rows:,} of {job.facts.rows:,}")
    try:
        with load() as linker:
            job.run(linker, batch_size)
    except KeyboardInterrupt:
        _say(errors, f"Stopped after row {job.counts.rows:,} of {job.facts.rows:,}. Run the same command again to continue")
        raise typer.Exit(INTERRUPTED) from None
    _summarise(job, errors, as_json)


def _about_columns(job: "BulkJob") -> str:
    """Say which columns are used, so that nobody links a million rows without their texts by mistake."""
    used = job.source.columns._asdict()
    named = ", ".join(f"{role} = {column}" for role, column in used.items() if column is not None and column in job.source.fields)
    text = f"Columns: {named or 'none'}"
    if used["context"] not in job.source.fields:
        text += "; no text around the mentions (--context-column)"
    kept = {part: column for part, column in job.writer.added.items() if part != column}
    return f"{text}; added: {', '.join(kept.values())}" if kept else text


def _summarise(job: "BulkJob", errors: Console, as_json: bool) -> None:
    counts = job.counts
    if as_json:
        bad_file = str(job.files.bad) if counts.bad else None
        values = {
            "output": str(job.files.output),
            "bad_rows": bad_file,
            "rows": counts.rows,
            "linked": counts.linked,
            "nil": counts.nil,
            "unsure": counts.unsure,
            "bad": counts.bad,
            "pictures_missing": counts.pictures_missing,
            "pictures_broken": counts.pictures_broken,
        }
        typer.echo(encode_json(values), nl=False)
    else:
        unsure = f" ({counts.unsure:,} of them unsure)" if counts.unsure else ""
        _say(Console(), f"{counted(counts.linked, 'mention')} linked, {counts.nil:,} NIL{unsure}: {job.files.output}")
    if counts.pictures_missing or counts.pictures_broken:
        _say(
            errors, f"Pictures: {counts.pictures_missing:,} missing, {counts.pictures_broken:,} broken; those mentions were linked by text"
        )
    if counts.bad:
        _say(errors, f"{counted(counts.bad, 'row')} could not be used; listed with the reason in {job.files.bad}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
