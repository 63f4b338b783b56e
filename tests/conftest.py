"""What all tests share."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

if TYPE_CHECKING:
    from pgmel.linking import Linker

# Shapes are checked whenever tests call these packages.
install_import_hook(["pgmel.models", "pgmel.objectives", "pgmel.negatives"], "beartype.beartype")
settings.register_profile("pgmel", deadline=None, database=None)
settings.load_profile("pgmel")

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "8")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A shell that starts tests in the background has them, and all processes they start, ignore Ctrl-C: then nothing could be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """Commands turn our loggers up or down for their whole process: no test is told more or less because of one that ran before it."""
    before = {logger: (logger.level, logger.propagate, logger.handlers[:]) for logger in our_loggers()}
    yield
    for logger in our_loggers():
        level, logger.propagate, logger.handlers = before.get(logger, (logging.NOTSET, True, []))
        logger.setLevel(level)


def our_loggers() -> list[logging.Logger]:
    """All of the package's loggers there are by now."""
    known = logging.root.manager.loggerDict
    return [logging.getLogger(name) for name in ("pgmel", *known) if name.partition(".")[0] == "pgmel"]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the real development data; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("PGMEL_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (folder / "wikimel").is_dir():
        pytest.skip(f"the development data are not at {folder}; set PGMEL_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy bundle; tests that change it take a copy."""
    from toy_bundle import make_decision, write_toy_bundle

    return write_toy_bundle(tmp_path_factory.mktemp("toy") / "bundle", make_decision())


@pytest.fixture(scope="module")
def linker(bundle: Path) -> "Iterator[Linker]":
    """The linker of the toy bundle."""
    from pgmel.linking import Linker

    with Linker.load(bundle) as loaded:
        yield loaded
