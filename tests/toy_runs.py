"""Small, quick training runs on the toy world, for tests of whole jobs: character n-grams and colours, no model."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from pgmel.index import EntityIndex
from pgmel.settings import Settings, read_settings
from pgmel.testing import toy_world
from pgmel.workflows.train import TrainingRun

__all__ = [
    "QUICK",
    "Outcome",
    "ToyRun",
    "bundle_vectors",
    "quick_settings",
    "read_lines",
    "run_cli",
    "set_options",
    "start_cli",
    "write_lines",
    "write_toy",
]

QUICK = (
    "features.text_encoder=none",
    "features.image_encoder=descriptor",
    "features.lexical_dim=256",
    "features.lexical_rank=32",
    "model.dim=24",
    "model.hidden=8",
    "negatives.pool_size=8",
    "features.lexical_weight=1.0",
    "features.image_weight=1.0",
    "negatives.sampler=generator",
    "generator.baseline=leave_one_out",
    "training.batch_size=24",
    "training.pretrain_epochs=1",
    "training.pretrain_generator_epochs=1",
    "training.epochs=1",
    "training.infonce_weight=0",
    "training.threads=1",
    "training.device=cpu",
    "training.tensorboard=false",
    "evaluation.bootstrap=100",
)
"""Overrides that make a run on the toy world take less than a second."""


def quick_settings(*overrides: str, file: Path | None = None) -> Settings:
    return read_settings(file, [*QUICK, *overrides])


def set_options(*overrides: str) -> list[str]:
    """Return QUICK and more as options of the command line."""
    return [part for override in (*QUICK, *overrides) for part in ("--set", override)]


def write_toy(folder: Path, seed: int = 0) -> Path:
    """Write the toy world in the generic layout."""
    toy_world(folder, seed).write(folder)
    return folder


def read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write_lines(file: Path, rows: Iterable[dict[str, Any]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def bundle_vectors(bundle: Path) -> np.ndarray:
    """Return the vectors of a bundle's entities."""
    return np.array(EntityIndex.load(bundle / "index").vectors)


class ToyRun(NamedTuple):
    """Data, settings and folder of a finished run, and what ``train`` returned."""

    data: Path
    settings: Settings
    folder: Path
    result: TrainingRun


class Outcome(NamedTuple):
    """What a command left with and wrote."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return standard output, which must be one JSON value and nothing else."""
        return json.loads(self.out)


def run_cli(*arguments: object, width: int = 200) -> Outcome:
    """Run the command line in this process, as the installed script does."""
    from pgmel.interfaces.cli import main

    # JSON is written as bytes, so a text buffer alone will not do.
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: Any = 0
    with (
        patch.object(sys, "argv", ["pgmel", *map(str, arguments)]),
        patch.dict(os.environ, {"COLUMNS": str(width)}),
        _kept_logger(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    return Outcome(code, _text_of(out), _text_of(err))


def _text_of(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def start_cli(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start the real command line in a process of its own."""
    command = [sys.executable, "-m", "pgmel", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    given: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment, **options}
    return subprocess.Popen(command, text=True, **given)


@contextlib.contextmanager
def _kept_logger() -> Iterator[None]:
    """Put the package's logger back as it was: the command line takes it over, and pytest's capture would see nothing more."""
    logger = logging.getLogger("pgmel")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    try:
        yield
    finally:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
