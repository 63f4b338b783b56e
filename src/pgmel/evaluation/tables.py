"""Results as tables for the terminal."""

from collections.abc import Mapping

from rich.markup import escape
from rich.table import Table

from pgmel.evaluation.metrics import METRICS, Metrics
from pgmel.evaluation.slices import SLICES

__all__ = ["render_slices", "render_table"]


def render_table(systems: Mapping[str, Metrics], title: str = "") -> Table:
    """Lay systems side by side, one per column, with intervals; the best value of each metric is bold.

    Args:
        systems: Name to figures, in the order to show.
        title: Heading of the table.
    """
    table = Table(title=escape(title) or None, caption=_caption(systems), caption_justify="left", title_justify="left")
    table.add_column("metric", no_wrap=True)
    for name in systems:
        table.add_column(escape(name), justify="right", no_wrap=True)
    for metric, heading in METRICS.items():
        table.add_row(heading, *(_cell(metrics, metric, systems) for metrics in systems.values()))
    return table


def render_slices(slices: Mapping[str, Mapping[str, Metrics]], metric: str = "h_at_1") -> Table:
    """Show one metric for every slice, one column per system.

    Args:
        slices: System to slice to figures.
        metric: Field of ``Metrics`` to show.
    """
    table = Table(title=f"{METRICS[metric]} by slice", title_justify="left")
    table.add_column("slice", no_wrap=True)
    table.add_column("mentions", justify="right")
    for system in slices:
        table.add_column(escape(system), justify="right")
    for name in dict.fromkeys(name for found in slices.values() for name in found):
        row = {system: found[name] for system, found in slices.items() if name in found}
        count = next(iter(row.values())).num_mentions
        cells = (_cell(row[system], metric, row) if system in row else "" for system in slices)
        table.add_row(escape(SLICES.get(name, name)), f"{count:,}", *cells)
    return table


def _cell(metrics: Metrics, metric: str, among: Mapping[str, Metrics]) -> str:
    digits = 1 if metric == "mean_rank" else 3
    interval = metrics.interval(metric)
    values = [other.interval(metric).value for other in among.values()]
    is_best = len(values) > 1 and interval.value == (min(values) if metric == "mean_rank" else max(values))
    value = f"[bold]{interval.value:,.{digits}f}[/bold]" if is_best else f"{interval.value:,.{digits}f}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value} [dim]{interval.low:,.{digits}f}-{interval.high:,.{digits}f}[/dim]"


def _caption(systems: Mapping[str, Metrics]) -> str | None:
    if not systems:
        return None
    first = next(iter(systems.values()))
    return f"{first.num_mentions:,} mentions, {first.ties} ties, {first.confidence:.0%} bootstrap intervals"
