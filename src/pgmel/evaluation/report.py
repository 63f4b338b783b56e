"""Write a report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgmel.evaluation.metrics import METRICS, Metrics
from pgmel.evaluation.report_cases import CaseView, view_case
from pgmel.evaluation.report_data import ReportData
from pgmel.evaluation.report_figures import view_bar, view_curves, view_nil_curve, view_ranks
from pgmel.evaluation.report_pictures import Thumbnails
from pgmel.evaluation.slices import SLICES
from pgmel.files import write_text
from pgmel.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_html_report", "write_html_report"]


def write_html_report(path: Path, data: ReportData) -> None:
    """Write the report to a file, atomically.

    Args:
        path: The HTML file; folders above it are made.
        data: What to show; sections without data are left out.
    """
    write_text(path, render_html_report(data))


def render_html_report(data: ReportData) -> str:
    """Return the report as HTML.

    Pictures are read from the files that mentions and entities name and stand inside as thumbnails; one that cannot be read leaves a
    frame that says why. All text is escaped, and the page forbids itself scripts and anything from elsewhere (content security policy).
    """
    thumbnails = Thumbnails()
    errors = [view_case(example, thumbnails) for example in data.errors]
    ranks = view_ranks(data.ranks)
    curves = view_curves(data.training)
    nil_chart = view_nil_curve(data.nil_curve, data.nil.threshold if data.nil else None)
    examples = [view_case(example, thumbnails) for example in data.examples]
    text = (
        _environment()
        .get_template("report.html.jinja")
        .render(
            data=data,
            metric_names=METRICS,
            slice_names=SLICES,
            headline=_headline(data),
            examples=examples,
            errors=errors,
            error_kinds=_count_kinds(errors),
            ranks=ranks,
            curves=curves,
            nil_chart=nil_chart,
            first_metrics=_any_metrics(data),
            version=__version__,
        )
    )
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def _headline(data: ReportData) -> dict[str, Any] | None:
    """Return the figures at the top: the last system, and how far it lies above the first."""
    if not data.systems:
        return None
    first, last = data.systems[0], data.systems[-1]
    gain = None if first is last else last.metrics.h_at_1.value - first.metrics.h_at_1.value
    return {"first": first, "last": last, "gain": gain, "comparison": data.comparison, "nil": data.nil}


def _any_metrics(data: ReportData) -> Metrics | None:
    """Return some metrics, to say how all of them were measured."""
    return next((row.metrics for row in (*data.systems, *data.modalities)), None)


def _count_kinds(errors: list[CaseView]) -> dict[str, tuple[str, int]]:
    kinds: dict[str, tuple[str, int]] = {}
    for case in errors:
        kinds[case.kind] = (case.verdict, kinds.get(case.kind, ("", 0))[1] + 1)
    return kinds


def _format_p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def _format_value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_format_value(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_format_value, value))
    return "none" if value is None else str(value)


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    # Imported here: no other part of an evaluation needs it, and the CLI should start fast.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pgmel.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"bar": view_bar, "p_value": _format_p, "plain": _format_value}
    return environment
