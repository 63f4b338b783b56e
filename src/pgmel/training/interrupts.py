"""Stop on a signal after the step in hand, not in the midst of it."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pgmel.errors import PgmelError

__all__ = ["TrainingInterruptedError", "collect_signals"]

SAME_SIGNAL_S = 1.0
"""Signals that follow the first within so many seconds are taken for the same request to stop."""


class TrainingInterruptedError(PgmelError):
    """Training was stopped by a signal after writing a checkpoint; running the same command again goes on from there."""

    exit_code = 130


@contextmanager
def collect_signals() -> Iterator[list[float]]:
    """Collect the times of SIGINT and SIGTERM instead of dying from them; outside the main thread nothing is changed."""
    asked: list[float] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def note(number: int, frame: object) -> None:  # noqa: ARG001
        # Asked twice, the user will not wait for the step; but torchrun passes on at once what the terminal sent already.
        if asked and time.monotonic() - asked[0] > SAME_SIGNAL_S:
            raise KeyboardInterrupt
        asked.append(time.monotonic())

    old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
