"""Write a report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgmel.evaluation.metrics import METRICS, Metrics
from pgmel.evaluation.report_cases import VERDICTS, view_case
from pgmel.evaluation.report_curves import view_training
from pgmel.evaluation.report_data import ReportData
from pgmel.evaluation.report_errors import view_errors
from pgmel.evaluation.report_facts import format_value, view_pictures, view_settings
from pgmel.evaluation.report_figures import view_bar, view_nil_curve, view_ranks
from pgmel.evaluation.report_pictures import Thumbnails
from pgmel.evaluation.report_removed import view_removed
from pgmel.evaluation.report_trust import view_gates, view_reliability
from pgmel.evaluation.slices import SLICES
from pgmel.evaluation.templating import load_templates
from pgmel.files import write_bytes
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
    # Half a surrogate pair, which some data hold, has no place in a file: it becomes a question mark.
    write_bytes(path, render_html_report(data).encode("utf-8", errors="replace"))


def render_html_report(data: ReportData) -> str:
    """Return the report as HTML.

    Pictures are read from the files that mentions and entities name and stand inside as thumbnails; one that cannot be read leaves a
    frame that says why. All text is escaped, and the page forbids itself scripts and anything from elsewhere (content security policy).
    """
    thumbnails = Thumbnails()
    text = (
        _environment()
        .get_template("report.html.jinja")
        .render(
            data=data,
            metric_names=METRICS,
            slice_names=SLICES,
            headline=_headline(data),
            examples=[view_case(example, thumbnails) for example in data.examples],
            verdicts=VERDICTS,
            browser=view_errors(data.errors, data.error_sample, thumbnails),
            ranks=view_ranks(data.ranks),
            training=view_training(data.training),
            nil_chart=view_nil_curve(data.nil_curve, 1 - data.nil.threshold if data.nil and data.nil.threshold is not None else None),
            removed=view_removed(data.removed, data.removed_nil_curve, data.removed_risk_curve),
            reliability=view_reliability(data.reliability),
            gates=view_gates(data.gates),
            picture_sides=view_pictures(data.pictures, data.picture_root),
            settings=view_settings(data.settings, data.defaults),
            first_metrics=_any_metrics(data),
            version=__version__,
        )
    )
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"


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


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _format_p(value: float) -> str:
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    return load_templates({"bar": view_bar, "lower_first": _lower_first, "p_value": _format_p, "plain": format_value})
