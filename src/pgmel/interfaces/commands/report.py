"""``pgmel report``: one HTML page about a run."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console

from pgmel.interfaces.options import ImageEncoderOption, TextEncoderOption

__all__ = ["EPILOG", "report"]

EPILOG: Final = "Example: pgmel report runs/wikimel --out wikimel.html"


def report(
    run: Annotated[Path, typer.Argument(help="Folder that `pgmel train` wrote, or one run of `pgmel compare`.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The HTML file; by default report.html in the run's folder.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the data set, if not where the run was trained on it.", show_default=False)
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Split to show; by default the one that training measured, dev.", show_default=False)
    ] = None,
    errors: Annotated[int, typer.Option("--errors", min=0, help="Most wrong answers to show.")] = 100,
    remove_gold: Annotated[
        float,
        typer.Option(
            "--remove-gold",
            min=0,
            max=0.9,
            help="Share of the gold entities taken out of the KB for the section on what it lacks; 0 leaves it out.",
        ),
    ] = 0.2,
    layout: Annotated[str | None, typer.Option(help="Layout of the data set; by default the run's.", show_default=False)] = None,
    on_error: Annotated[
        Literal["stop", "skip"] | None,
        typer.Option(help="At a faulty record: stop, or skip and count it; by default as in training.", show_default=False),
    ] = None,
    device: Annotated[str, typer.Option(help="Where encoders and model run: auto, cpu, cuda.")] = "auto",
    text_encoder: TextEncoderOption = None,
    image_encoder: ImageEncoderOption = None,
) -> None:
    """Write one HTML page about a run: what training gained, curves, slices, probabilities, gates, and the errors to browse.

    The page needs nothing else to be read. Of an unfinished run it shows the curves; of a run of a comparison, which keeps no bundle,
    all but links, errors, probabilities and gates.
    """
    from pgmel.workflows.report import report_run

    written = report_run(
        run,
        out,
        data=data,
        split=split,
        num_errors=errors,
        remove_gold=remove_gold,
        layout=layout,
        on_error=on_error,
        device=device,
        text_encoder=text_encoder,
        image_encoder=image_encoder,
    )
    console = Console()
    page = written.data
    if not written.is_finished:
        console.print("The run is not finished: the report shows its curves only.", highlight=False)
    elif page.systems and page.comparison:
        before, after = (system.metrics.h_at_1.value for system in (page.systems[0], page.systems[-1]))
        gain = page.comparison.difference
        console.print(
            f"H@1 {before:.3f} untrained, {after:.3f} trained; gain {gain.value:+.3f}, "
            f"{page.comparison.confidence:.0%} interval {gain.low:+.3f} to {gain.high:+.3f}",
            highlight=False,
        )
    if written.is_finished and not written.has_bundle:
        console.print(
            "A run of a comparison keeps no bundle: there are no errors to browse; the report says how to get them.", highlight=False
        )
    console.print(f"Report: {written.file.resolve()}", soft_wrap=True, markup=False, highlight=False)
