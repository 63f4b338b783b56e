"""A real browser for tests of pages: Debian's Chromium, asked for nothing from elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["WAIT_MS", "chromium"]

WAIT_MS: Final = 60_000

_CHROMIUM: Final = Path("/usr/bin/chromium")
_OPTIONS: Final = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser; the test is skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not _CHROMIUM.exists():
        pytest.skip(f"there is no browser at {_CHROMIUM}")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=str(_CHROMIUM), args=_OPTIONS, timeout=4 * WAIT_MS)
        yield launched
        launched.close()
