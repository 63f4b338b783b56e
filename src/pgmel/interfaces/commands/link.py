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

from pgmel.errors import SettingError
from pgmel.files import encode_json
from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption
from pgmel.records import Link, Mention

if TYPE_CHECKING:
    from pgmel.linking import BulkJob, Linker

__all__ = ["EPILOG", "link"]

INTERRUPTED: Final = 130
"""Exit code after Ctrl-C, as shells have it."""

BAD_LINES: Final = 3
"""Exit code under ``--strict`` where lines could not be used; that of faulty data."""

_DESCRIPTION_CHARACTERS: Final = 100
EPILOG: Final = (
    'Examples: pgmel link --bundle runs/demo/bundle --text "The flag of Georgia." --mention Georgia   |   '
    "pgmel link --bundle runs/demo/bundle --input mentions.jsonl --output links.jsonl"
)

BundleOption = Annotated[Path, typer.Option("--bundle", "-b", help="Folder that training wrote.", show_default=False)]
TextOption = Annotated[str | None, typer.Option("--text", help="The sentence around the mention.", show_default=False)]
MentionOption = Annotated[str | None, typer.Option("--mention", help="The words to link.", show_default=False)]
ImageOption = Annotated[Path | None, typer.Option("--image", help="A picture that goes with the mention.", show_default=False)]
InputOption = Annotated[
    Path | None,
    typer.Option(
        "--input",
        help='JSONL, one mention a line: {"mention": ..., "context": ..., "id": ..., "start": ..., "end": ..., "image": ...}; all but '
        "`mention` may be left out, picture paths are relative to the file.",
        show_default=False,
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="JSONL, one link a line, in order; `<name>.bad.jsonl` gets faulty lines.", show_default=False),
]
TopKOption = Annotated[int, typer.Option("--top-k", min=1, help="Candidates shown or written for each mention.")]
BatchOption = Annotated[int, typer.Option("--batch-size", min=1, max=4096, help="Mentions encoded at once.")]
DeviceOption = Annotated[str, typer.Option("--device", help="Where encoders and model run: auto, cpu, cuda, cuda:1, mps.")]
StrictOption = Annotated[bool, typer.Option("--strict", help=f"Leave with {BAD_LINES} if a line could not be used.")]
RestartOption = Annotated[bool, typer.Option("--restart", help="Start anew instead of continuing an interrupted job.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an output that is there already.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def link(
    bundle: BundleOption,
    text: TextOption = None,
    mention: MentionOption = None,
    image: ImageOption = None,
    source: InputOption = None,
    output: OutputOption = None,
    top_k: TopKOption = 10,
    batch_size: BatchOption = 64,
    device: DeviceOption = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
    strict: StrictOption = False,
    restart: RestartOption = False,
    overwrite: OverwriteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Link a mention, or a file of them, to the entities of a bundle's knowledge base.

    A file is linked in order and in bounded memory. After Ctrl-C the same command continues where it stopped. Lines that cannot be used
    are kept aside with their number and the reason; a picture that is missing or broken is no fault: its mention is linked by text.
    """
    from pgmel.linking import BulkJob, Linker, bundle_identity

    def load() -> Linker:
        from pgmel.workflows.train import resolve_device

        return Linker.load(bundle, str(resolve_device(device)), text_encoder=text_encoder, image_encoder=image_encoder)

    if (mention is None) == (source is None):
        raise SettingError("name either --mention (with --text, --image) or --input and --output")
    if mention is not None:
        if output is not None or strict or restart or overwrite:
            raise SettingError("--output, --strict, --restart and --overwrite go with --input")
        with _quiet_features():
            _link_one(load, _to_mention(mention, text or "", image), top_k, as_json)
        return
    if text is not None or image is not None:
        raise SettingError("--text and --image go with --mention; the lines of --input name their own")
    if source is None or output is None:
        raise SettingError("--input needs --output, the file to write links to")
    job = BulkJob(source, output, bundle_identity(bundle), top_k, restart, overwrite)
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
    start = context.find(surface)
    if start < 0:
        return Mention("mention", surface, context, image=image)
    return Mention("mention", surface, context, start, start + len(surface), image)


def _link_one(load: Callable[[], "Linker"], mention: Mention, top_k: int, as_json: bool) -> None:
    from pgmel.linking import link_values

    with load() as linker:
        found = linker.link([mention], top_k)[0]
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
    for warning in found.warnings:
        console.print(Text(f"Note: {warning}"))
    console.print(Text(_sentence(found, linker)))


def _sentence(found: Link, linker: "Linker") -> str:
    if not found.candidates:
        return "NIL: there is no candidate"
    best = found.candidates[0]
    if not found.is_nil:
        sure = "" if found.probability is None else f", probability {found.probability:.3f}"
        return f"Linked to {best.name} ({best.entity_id}){sure}"
    if best.probability is None or linker.decision is None:
        return "NIL"
    return f"NIL: the best candidate's probability {best.probability:.3f} is below the threshold {linker.decision.threshold:.3f}"


def _link_file(load: Callable[[], "Linker"], job: "BulkJob", batch_size: int, as_json: bool) -> None:
    errors = Console(stderr=True)
    if job.counts.lines:
        _say(errors, f"Continuing after line {job.counts.lines:,} of {job.facts.lines:,}")
    try:
        with load() as linker:
            job.run(linker, batch_size)
    except KeyboardInterrupt:
        _say(errors, f"Stopped after line {job.counts.lines:,} of {job.facts.lines:,}. Run the same command again to continue")
        raise typer.Exit(INTERRUPTED) from None
    _summarise(job, errors, as_json)


def _summarise(job: "BulkJob", errors: Console, as_json: bool) -> None:
    counts = job.counts
    if as_json:
        bad_file = str(job.files.bad) if counts.bad else None
        values = {
            "output": str(job.files.output),
            "bad_lines": bad_file,
            "lines": counts.lines,
            "linked": counts.linked,
            "nil": counts.nil,
            "bad": counts.bad,
            "pictures_missing": counts.pictures_missing,
            "pictures_broken": counts.pictures_broken,
        }
        typer.echo(encode_json(values), nl=False)
    else:
        _say(Console(), f"{counts.linked:,} mentions linked, {counts.nil:,} NIL: {job.files.output}")
    if counts.pictures_missing or counts.pictures_broken:
        _say(
            errors, f"Pictures: {counts.pictures_missing:,} missing, {counts.pictures_broken:,} broken; those mentions were linked by text"
        )
    if counts.bad:
        _say(errors, f"{counts.bad:,} lines could not be used; with their reasons they are in {job.files.bad}")


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)
