"""A comparison as one HTML page that needs nothing else, and its learning curves as one SVG file."""

from functools import lru_cache
from typing import TYPE_CHECKING

from pgmel.evaluation.comparison_charts import curve_panels, draw_sheet, forest_panels
from pgmel.evaluation.comparison_data import COMPARED, Comparison, ComparisonTable
from pgmel.evaluation.comparison_tables import BETTER, NOTED, WORSE, describe_note, describe_seeds, format_p, mark_of
from pgmel.evaluation.templating import load_templates
from pgmel.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["render_comparison_page", "render_curves"]


def render_comparison_page(comparison: Comparison) -> str:
    """Return the comparison as HTML: no script, no font, no picture from elsewhere; it follows the reader's light or dark colours."""
    text = (
        _environment()
        .get_template("comparison_page.html.jinja")
        .render(
            data=comparison,
            compared=COMPARED,
            better=BETTER,
            worse=WORSE,
            noted=NOTED,
            seeds={table.budget: describe_seeds(comparison, table) for table in comparison.tables},
            notes={table.budget: [describe_note(comparison, *note) for note in table.notes] for table in comparison.tables},
            cost_notes={table.budget: [describe_note(comparison, *note) for note in table.cost_notes] for table in comparison.tables},
            bests={table.budget: _best(comparison, table) for table in comparison.tables},
            forests={table.budget: forest_panels(comparison, table) for table in comparison.tables},
            panels=curve_panels(comparison),
            version=__version__,
        )
    )
    return "\n".join(line.rstrip() for line in text.split("\n") if line.strip()) + "\n"


def render_curves(comparison: Comparison) -> str:
    """Return the learning curves as one SVG file, which follows light and dark too."""
    sources = [_environment().get_template(name).render() for name in ("comparison_charts.css", "comparison_sheet.css")]
    return draw_sheet(comparison, "\n".join(sources))


def _best(comparison: Comparison, table: ComparisonTable) -> dict[tuple[str, str], str]:
    """Return data set (empty: the mean) and metric to the system with the highest mean."""
    best = {}
    for data in [*comparison.data, ""]:
        for metric in COMPARED:
            cells = [(row.cells.get(data) if data else row.mean, row.system) for row in table.rows]
            values = [(cell.scores[metric].value, system) for cell, system in cells if cell is not None]
            if len(values) > 1:
                best[data, metric] = max(values)[1]
    return best


@lru_cache(maxsize=1)
def _environment() -> "Environment":
    return load_templates({"p": format_p, "mark_of": mark_of})
