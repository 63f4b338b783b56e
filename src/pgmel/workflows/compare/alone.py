"""Keep two comparisons out of one folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pgmel.errors import SettingError

__all__ = ["alone"]


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep a second comparison out of the folder.

    Raises:
        SettingError: If one is at work there.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    handle: IO[str] = (out / ".lock").open("a", encoding="utf-8")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingError(f"another pgmel compare is at work in {out}; wait for it, or name another folder with --out") from None
        yield
