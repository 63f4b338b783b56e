"""Whether what a finished run left behind can still be used."""

import csv
from pathlib import Path

from pgmel.errors import DataError
from pgmel.workflows.compare.record import RANKS_FILE, RunRecord, read_curve, read_ranks

__all__ = ["check_run"]


def check_run(folder: Path, record: RunRecord) -> None:
    """Read everything that tables, tests and curves need of a run.

    Raises:
        DataError: If its ranks or metrics are missing, damaged, or not those that the record speaks of; names the file.
    """
    ranks = read_ranks(folder / RANKS_FILE)
    sizes = {len(array) for array in ranks}
    if sizes != {record.num_mentions}:
        raise DataError(f"the ranks of {record.num_mentions} mentions were kept, {sorted(sizes)} are there", folder / RANKS_FILE)
    file = folder / "metrics.csv"
    try:
        updates = read_curve(folder, record.zero_shot)[-1].updates
    except (OSError, ValueError, KeyError, ZeroDivisionError, csv.Error) as error:
        raise DataError(f"the metrics cannot be read ({type(error).__name__}: {error})", file) from None
    if updates != record.updates:
        raise DataError(f"the metrics {'are missing' if not file.exists() else f'end after {updates} of {record.updates} updates'}", file)
