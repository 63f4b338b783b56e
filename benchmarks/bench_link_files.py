"""Time and memory that linking a table takes besides the linker: reading, writing and the journal, with a linker that costs nothing.

Run: ``python benchmarks/bench_link_files.py`` (a million rows into CSV, then into Parquet; ``--rows 10000`` to try it).
"""

import argparse
import csv
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from pgmel.linking import BulkJob
from pgmel.records import Candidate, Link, Mention


class Nothing:
    """Links every mention to the entity of its name."""

    def link(self, mentions: list[Mention], top_k: int = 10, explain: bool = False) -> list[Link]:  # noqa: ARG002
        return [Link(m.id, f"Q-{m.surface}", 0.9, (Candidate(f"Q-{m.surface}", m.surface, 0.5, 0.9),)) for m in mentions]


def write_table(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "mention", "context", "price", "note"))
        writer.writerows((n, f"thing {n}", f"The thing {n}, a long text about it\nand more. " * 3, n * 1.5, "x" * 20) for n in range(rows))


def measure(source: Path, output: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    job = BulkJob(source, output, "none", show_progress=False)
    surveyed = time.perf_counter()
    counts = job.run(Nothing(), show_progress=False)
    done = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{output.suffix:9} {counts.rows:,} rows: surveyed in {surveyed - start:.1f} s, written in {done - surveyed:.1f} s; "
        f"memory {before / 1024:.0f} MB before, {peak / 1024:.0f} MB at most",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "mentions.csv"
        write_table(source, args.rows)
        for ending in ("csv", "parquet"):
            # A process of its own, so that the peak is that of one format.
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(source, Path(name) / f"links.{ending}"))
            process.start()
            process.join()


if __name__ == "__main__":
    main()
