"""Find out which layout a path has, and load it."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pgmel.datasets.dataset import Dataset, Layout
from pgmel.datasets.derived import add_derived, find_derived
from pgmel.datasets.faults import Faults, OnError
from pgmel.datasets.generic import GENERIC
from pgmel.datasets.kgmel import KGMEL
from pgmel.datasets.melbench import MELBENCH
from pgmel.datasets.mimic import MIMIC
from pgmel.datasets.wikidiverse_caption import WIKIDIVERSE_CAPTION
from pgmel.datasets.wikidiverse_mention import WIKIDIVERSE_MENTION
from pgmel.errors import DataError
from pgmel.registry import look_up

__all__ = ["LAYOUTS", "detect_layout", "load_dataset"]

LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (GENERIC, MIMIC, MELBENCH, KGMEL, WIKIDIVERSE_CAPTION, WIKIDIVERSE_MENTION)}
"""Every layout that can be read, by name."""


def load_dataset(path: Path, layout: str = "auto", on_error: OnError = "stop") -> Dataset:
    """Load a data set of any layout, with the splits that an audit derived from its own.

    Args:
        path: Its folder; for ``kgmel`` also the JSON file of one data set among several. Or a folder with ``clean-splits.json``, which
            names the data set.
        layout: A name in ``LAYOUTS``, or ``auto`` to detect it from the files.
        on_error: ``stop`` raises at the first faulty record; ``skip`` leaves faulty records out and lists them in ``Dataset.faults``.
            Files that are missing, or that are no JSON at all, stop in either case.

    Raises:
        DataError: If the path does not exist, its layout is unknown or ambiguous, or a file or record breaks the layout.
        SettingError: If ``layout`` or ``on_error`` is no valid name.
    """
    path = Path(path)
    with _reading(path):
        root, derived = find_derived(path)
    dataset = _load(root, derived[-1][1].layout if derived and layout == "auto" else layout, on_error)
    for file, content in derived:
        dataset = add_derived(dataset, content, file)
    return dataset


def _load(path: Path, layout: str, on_error: OnError) -> Dataset:
    faults = Faults(on_error)
    chosen = detect_layout(path) if layout == "auto" else look_up({**LAYOUTS, "auto": GENERIC}, layout, "data.layout")
    with _reading(path), _paused_collector():
        if path.is_file() and not chosen.detect(path):
            raise DataError(f"this is a file, and the layout {chosen.name} is a folder", path, fix="Give the folder that holds it")
        contents = chosen.load(path, faults)
    order = [split for split in ("train", "dev", "test") if split in contents.splits]
    return Dataset(
        name=contents.name or path.resolve().name,
        layout=chosen.name,
        root=path,
        entities=contents.entities,
        splits={split: contents.splits[split] for split in order},
        faults=tuple(faults.found),
        notes=contents.notes,
        published=contents.published,
    )


def detect_layout(path: Path, layouts: Mapping[str, Layout] = LAYOUTS) -> Layout:
    """Return the layout that a path has.

    Raises:
        DataError: If the path does not exist or cannot be listed, or if none or several of the layouts fit; says what was looked for.
    """
    with _reading(path):
        fitting = [layout for layout in layouts.values() if layout.detect(path)]
        subfolders = sorted(item for item in path.iterdir() if item.is_dir()) if path.is_dir() and not fitting else []
        within = [folder.name for folder in subfolders if any(layout.detect(folder) for layout in layouts.values())]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(layout.name for layout in fitting)
        raise DataError(f"the files fit several layouts: {names}", path, fix="Say which one with --layout (data.layout in settings)")
    looked = "\n".join(f"  - {layout.name}: {layout.looks_for}" for layout in layouts.values())
    fix = f"Did you mean one of its folders: {', '.join(within)}?" if within else "See `pgmel data layouts`."
    raise DataError("no known layout", path, fix=f"{fix} These were looked for:\n{looked}")


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in one way that a path is not there, or that something in it cannot be read."""
    try:
        if not path.exists():
            raise DataError("the data set does not exist", path)
        yield
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror or error})", error.filename or path) from None


@contextmanager
def _paused_collector() -> Iterator[None]:
    """Keep the garbage collector out: among millions of new records that all stay it finds nothing, and takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
