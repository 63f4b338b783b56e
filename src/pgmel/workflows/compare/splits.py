"""Whether the data sets have the splits that runs train and choose on: told before anything runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pgmel.datasets import load_dataset
from pgmel.errors import DataError, SettingError
from pgmel.workflows.compare.single import Task

__all__ = ["check_splits"]


def check_splits(tasks: Sequence[Task], file: Path) -> None:
    """Read each data set once, and look for the splits of all its runs.

    Args:
        tasks: What is to be run.
        file: The matrix, for the message.

    Raises:
        SettingError: If a data set cannot be read or lacks a split; lists every fault.
    """
    wanted: dict[tuple[str, Path, str, Any], dict[str, None]] = {}
    for task in tasks:
        data = task.cell.settings.data
        wanted.setdefault((task.cell.data, task.data, data.layout, data.on_error), {}).update(
            dict.fromkeys((data.train_split, data.dev_split))
        )
    faults: dict[str, None] = {}
    for (name, folder, layout, on_error), splits in wanted.items():
        try:
            found = load_dataset(folder, layout, on_error).splits
        except DataError as error:
            faults[f"data.{name}: {error}"] = None
            continue
        have = ", ".join(key for key, mentions in found.items() if mentions) or "none"
        faults |= {
            f"data.{name}: {folder} has no mentions in split {split!r} (it has: {have}); name another with data.train_split or "
            "data.dev_split, or leave the data set out": None
            for split in splits
            if not found.get(split)
        }
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise SettingError(f"the matrix {file} cannot be run; nothing was started:\n{listed}")
