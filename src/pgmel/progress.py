"""Progress bars on standard error, with rate and remaining time; silent where nobody watches and nothing was asked."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["Bar", "message_console", "progress_bar", "track", "waiting"]

log = logging.getLogger("pgmel.progress")

T = TypeVar("T")

_running: list[Console] = []


class _RateColumn(ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.1f} {self.unit}/s" if speed else "", style="progress.data.speed")


class Bar:
    """A running progress bar."""

    def __init__(self, progress: Progress, total: int | None, title: str) -> None:
        self._progress = progress
        self._task = progress.add_task(title, total=total)

    def advance(self, count: int = 1) -> None:
        """Count so many more as done."""
        self._progress.advance(self._task, count)

    def describe(self, title: str) -> None:
        """Change the text before the bar."""
        self._progress.update(self._task, description=title)


def message_console() -> Console:
    """Return a console on standard error; while a bar runs it is the bar's own, so that a message stands above the bar, not in it."""
    return _running[-1] if _running else Console(stderr=True)


@contextmanager
def progress_bar(title: str, total: int | None, unit: str = "rows", done: int = 0, show: bool = True) -> Iterator[Bar]:
    """Show a bar while the block runs.

    Args:
        title: What is being done.
        total: How many there are, or None if nobody knows.
        unit: What is counted, for the rate.
        done: How many were done before (a resumed job).
        show: Whether to show it; it is never shown where standard error is no terminal.
    """
    console = message_console()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (show and console.is_terminal), transient=True) as progress:
        bar = Bar(progress, total, title)
        if done:
            bar.advance(done)
        _running.append(console)
        try:
            yield bar
        finally:
            _running.remove(console)


@contextmanager
def waiting(title: str, tell: bool = True) -> Iterator[None]:
    """Show what is being done, with the time that it takes, while the block runs: work of which nobody knows how much there is.

    Args:
        title: What is being done.
        tell: Whether it is said by a message where standard error is no terminal; there is nothing to see there otherwise.
    """
    console = message_console()
    if not console.is_terminal:
        if tell:
            log.info("%s", title)
        yield
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not log.isEnabledFor(logging.INFO), transient=True) as progress:
        progress.add_task(title, total=None)
        _running.append(console)
        try:
            yield
        finally:
            _running.remove(console)


def track(items: Iterable[T], title: str, total: int | None = None, unit: str = "rows", show: bool = True) -> Iterator[T]:
    """Yield the items, with a bar."""
    with progress_bar(title, total, unit=unit, show=show) as bar:
        for item in items:
            yield item
            bar.advance()
