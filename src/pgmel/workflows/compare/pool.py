"""Run tasks one after the other in this process, or side by side in several; failures are kept apart, interruptions end in checkpoints."""

import logging
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final, Literal, NamedTuple, final

from pgmel.errors import PgmelError
from pgmel.files import write_text
from pgmel.training import TrainingInterruptedError
from pgmel.workflows.compare.code_state import code_digest
from pgmel.workflows.compare.single import Bench, Task, run_cell

__all__ = ["Outcome", "run_tasks"]

log = logging.getLogger("pgmel.workflows")

GRACE_S: Final = 60.0
"""How long processes may take to write their checkpoints after an interruption."""

_TALKATIVE: Final = {"pgmel.workflows": logging.WARNING, "pgmel.features": logging.ERROR, "pgmel.candidates": logging.ERROR}
"""What loggers still say in the midst of many runs: pictures that cannot be used are counted, not named."""


class Outcome(NamedTuple):
    """How a task ended: ``reason`` is empty where it went well."""

    task: Task
    reason: str = ""


Note = Callable[[Outcome], Sequence[Task]]
"""Told of every task that ended; returns further tasks, which it made possible."""


def run_tasks(tasks: Sequence[Task], jobs: int, note: Note, show_progress: bool = True) -> None:
    """Run tasks, and those that follow from them.

    Args:
        tasks: What to run first; tasks that share their material are run in a row, or by the same process.
        jobs: Processes side by side; 1 works in this one.
        note: Told of every task that ended.
        show_progress: Whether bars are shown while data are encoded (one process only).

    Raises:
        TrainingInterruptedError: On SIGINT or SIGTERM, once every run stands at a checkpoint.
    """
    if jobs == 1:
        _run_here(list(tasks), note, show_progress)
    elif tasks:
        _Pool(list(tasks), jobs, note).run()


def _run_here(tasks: list[Task], note: Note, show_progress: bool) -> None:
    bench = Bench()
    last = ""
    while tasks:
        task = tasks.pop(next((place for place, task in enumerate(tasks) if task.material == last), 0))
        last = task.material
        with _quiet():
            outcome = Outcome(task, _attempt(task, bench, show_progress))
        tasks += note(outcome)


def _attempt(task: Task, bench: Bench, show_progress: bool) -> str:
    """Run a task; return the reason if it failed."""
    code_digest()  # of the files as they are when this process begins: they may change before its first run ends
    try:
        run_cell(task, bench, show_progress)
    except TrainingInterruptedError:
        raise
    except Exception as error:  # whatever it is, the other runs go on
        write_text(task.folder / "failure.txt", traceback.format_exc())
        return str(error) if isinstance(error, PgmelError) else f"{type(error).__name__}: {error}"
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Let warnings through, but not what every single run says of its start."""
    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(_TALKATIVE[logger.name])
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


Message = tuple[Literal["done", "failed", "interrupted", "warning"], str]


class _Forward(logging.Handler):
    """Sends warnings to the process that shows them."""

    def __init__(self, pipe: "Connection[Message, Task | None]") -> None:
        super().__init__(logging.WARNING)
        self.pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        self.pipe.send(("warning", record.getMessage()))


def _work(pipe: "Connection[Message, Task | None]") -> None:
    """Do tasks as they come, until there are no more; the body of a process."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # Ctrl-C in a terminal then reaches the leading process alone, which asks for one checkpoint, not for two
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logger = logging.getLogger("pgmel")
    logger.addHandler(_Forward(pipe))
    logger.propagate = False
    bench = Bench()
    try:
        while (task := pipe.recv()) is not None:
            with _quiet():
                reason = _attempt(task, bench, False)
            pipe.send(("failed", reason) if reason else ("done", ""))
    except (TrainingInterruptedError, KeyboardInterrupt):
        pipe.send(("interrupted", ""))
    except (EOFError, BrokenPipeError):
        return  # the process that asked is gone


@final
class _Worker:
    """A process and what it is at."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection[Any, Any]
        self.pipe, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=_work, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.task: Task | None = None
        self.material = ""

    def give(self, task: Task) -> None:
        self.task, self.material = task, task.material
        self.pipe.send(task)

    def dismiss(self) -> None:
        with suppress(OSError):  # it may be gone already
            self.pipe.send(None)
        self.process.join(GRACE_S)


@final
class _Pool:
    """Processes that share tasks out among themselves."""

    def __init__(self, tasks: list[Task], jobs: int, note: Note) -> None:
        self.tasks = tasks
        self.jobs = jobs
        self.note = note
        self.workers: list[_Worker] = []
        self.encoded: set[str] = set()
        self.warned: set[str] = set()

    def run(self) -> None:
        """Work until nothing is left."""
        asked: list[int] = []
        with _caught(asked):
            try:
                self._share_out()
                while any(worker.task for worker in self.workers):
                    for pipe in wait([worker.pipe for worker in self.workers if worker.task], timeout=0.5):
                        self._hear(next(worker for worker in self.workers if worker.pipe is pipe), bool(asked))
                    if asked:
                        self._stop()
                        raise TrainingInterruptedError("stopped")
                    self._share_out()
            finally:
                for worker in self.workers:
                    worker.dismiss() if not asked else worker.process.join(0.1)
                    worker.process.kill()

    def _share_out(self) -> None:
        """Give every idle process a task; start processes while there are tasks for them."""
        while self.tasks and len([worker for worker in self.workers if worker.task]) < self.jobs:
            idle = next((worker for worker in self.workers if not worker.task), None)
            task = self._next("" if idle is None else idle.material)
            if task is None:
                return  # all that is left waits for the process that encodes its data
            if idle is None:
                idle = _Worker()
                self.workers.append(idle)
            self.tasks.remove(task)
            idle.give(task)

    def _next(self, material: str) -> Task | None:
        """Pick a task: one whose data are in memory, else one of data that nobody holds, else any whose data are encoded."""
        held = {worker.material for worker in self.workers}
        own = (task for task in self.tasks if task.material == material and material in self.encoded)
        new = (task for task in self.tasks if task.material not in held)
        shared = (task for task in self.tasks if task.material in self.encoded)
        return next((task for task in (*own, *new, *shared)), None)

    def _hear(self, worker: _Worker, stopping: bool) -> None:
        task = worker.task
        if task is None:
            return
        try:
            kind, text = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(GRACE_S)
            self.workers.remove(worker)
            kind, text = "failed", f"its process ended with code {worker.process.exitcode} (out of memory?)"
        if kind == "warning":
            if text not in self.warned:
                self.warned.add(text)
                log.warning("%s", text)
            return
        worker.task = None
        if kind == "interrupted" or (stopping and kind == "failed"):
            return
        self.encoded.add(task.material)
        self.tasks += self.note(Outcome(task, text))

    def _stop(self) -> None:
        """Ask every process to stop at a checkpoint, and wait for that."""
        for worker in self.workers:
            if worker.process.is_alive() and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGTERM)
        end = time.monotonic() + GRACE_S
        while (busy := [worker for worker in self.workers if worker.task]) and time.monotonic() < end:
            for pipe in wait([worker.pipe for worker in busy], timeout=0.5):
                self._hear(next(worker for worker in busy if worker.pipe is pipe), True)


@contextmanager
def _caught(asked: list[int]) -> Iterator[None]:
    """Collect SIGINT and SIGTERM; the second one interrupts at once."""

    def remember(number: int, frame: object) -> None:  # noqa: ARG001
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    old = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
