"""The test split: looked at once, at the very end, with the weights that dev chose."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from pgmel.errors import DataError, SettingError
from pgmel.files import read_json, write_json
from pgmel.linking import package_versions
from pgmel.progress import progress_bar
from pgmel.settings import Settings
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.compare.code_state import code_digest
from pgmel.workflows.compare.found import Found, Run
from pgmel.workflows.compare.record import RANKS_FILE, RankTable, read_ranks, write_ranks
from pgmel.workflows.compare.single import BEST_FILE, Bench
from pgmel.workflows.material import read_data
from pgmel.workflows.measuring import embed, measure_split
from pgmel.workflows.preparation import prepare, start_embedder
from pgmel.workflows.train import resolve_device

__all__ = ["check_test", "evaluate_test", "read_occasions"]

_FILE: Final = "test.json"
_SPLIT: Final = "test"
_TOLERANCE: Final = 2e-3
"""Dev figures measured again may differ by so much: another number of threads sums in another order, and a rank or two moves."""


def read_occasions(out: Path) -> list[dict[str, Any]]:
    """Return when the test split was looked at: one record per time, those that were cut short included.

    Raises:
        DataError: If the file that says so is damaged: what was looked at is not forgotten for that.
    """
    if not (out / _FILE).exists():
        return []
    occasions: list[dict[str, Any]] = read_json(out / _FILE)
    if not isinstance(occasions, list) or not all(isinstance(one, dict) and {"date", "finished"} <= set(one) for one in occasions):
        raise DataError("the list of looks at the test split is damaged", out / _FILE, fix="Put back the file as it was")
    return occasions


def check_test(out: Path, found: Found, folders: Mapping[str, Path], again: bool) -> None:
    """Refuse what would spoil the test split, before anything is read from it.

    Raises:
        SettingError: If it was looked at before and nobody said ``--again``, or runs are unfinished.
        DataError: If a data set has no test split, or a run's weights are missing.
    """
    # One that was cut short gave nobody a table; it may be begun again, and stays on record.
    occasions = [occasion for occasion in read_occasions(out) if occasion["finished"]]
    if occasions and not again:
        raise SettingError(
            f"the test split was evaluated already, on {occasions[-1]['date']}; its tables are {out / 'comparison-test.md'}. "
            "Whoever looks twice and chooses in between has trained on test; pass --again if you know that this is not so"
        )
    if unfinished := [*found.missing, *(cell for cell, _ in (*found.outdated, *found.damaged))]:
        raise SettingError(
            f"{len(unfinished)} runs are not finished (first {unfinished[0].name}), and test is evaluated once, for all of "
            "them: run the same command without --test first"
        )
    for run in (run for runs in found.runs.values() for run in runs):
        if not (run.folder / BEST_FILE).exists():
            raise DataError("the best weights are missing", run.folder / BEST_FILE, fix="Delete the run's folder and run again")
    seen: dict[str, Settings] = {run.cell.data: run.cell.settings for runs in found.runs.values() for run in runs}
    for name, settings in seen.items():
        splits = read_data(settings, folders[name]).splits
        if not splits.get(_SPLIT):
            have = ", ".join(splits) or "none"
            raise DataError(f"the data set {name} has no test split (it has: {have})", folders[name], fix="Leave it out of the matrix")


def evaluate_test(
    out: Path, found: Found, folders: Mapping[str, Path], command: Sequence[str], show_progress: bool = True
) -> Callable[[Run], RankTable]:
    """Rank the test mentions with every run's best weights; that it is done is recorded before the first look.

    Args:
        out: Folder of the comparison.
        found: Its finished runs.
        folders: Data set to its folder.
        command: What was asked for, for the record.
        show_progress: Whether to show a bar.

    Returns:
        What gives a run's ranks on test.

    Raises:
        DataError: If a run's weights are missing, or do not give its figures on dev any more.
    """
    earlier = read_occasions(out)
    occasion: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "finished": False,
        "asked": list(command),
        "versions": package_versions(),
        "code": code_digest(),
    }
    # Before the first look, so that a kill leaves no ranks on test without a word about them.
    write_json(out / _FILE, [*earlier, occasion])
    distinct = {run.folder: run for runs in found.runs.values() for run in runs}
    ordered = sorted(distinct.values(), key=lambda run: run.cell.data)
    bench = Bench()
    with progress_bar("evaluating on test", len(ordered), unit="runs", show=show_progress) as bar:
        for run in ordered:
            bar.describe(f"test: {run.cell.name}")
            write_ranks(_ranks_file(out, run), _rank(run, folders[run.cell.data], bench))
            bar.advance()
    write_json(out / _FILE, [*earlier, occasion | {"finished": True, "runs": len(ordered)}])
    return lambda run: read_ranks(_ranks_file(out, run))


def _ranks_file(out: Path, run: Run) -> Path:
    return out / "test" / run.folder.relative_to(out / "runs") / RANKS_FILE


def _rank(run: Run, data: Path, bench: Bench) -> RankTable:
    settings = run.cell.settings
    device = str(resolve_device(settings.training.device))
    dev = settings.data.dev_split
    material = bench.material(settings, data, [settings.data.train_split, dev, _SPLIT])
    embedder = start_embedder(prepare(material, settings, device, False).projection, settings, device)
    before = measure_split(embed(embedder, material, _SPLIT), material, _SPLIT, settings, "zero-shot")
    try:
        embedder.discriminator.load_state_dict(load_file(run.folder / BEST_FILE))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"the best weights cannot be used ({error})", run.folder / BEST_FILE, fix="Delete the run's folder and run again"
        ) from None
    again = measure_split(embed(embedder, material, dev), material, dev, settings, "trained").result.overall.h_at_1.value
    if abs(again - run.record.trained["h_at_1"]) > _TOLERANCE:
        raise DataError(
            f"the weights give H@1 {again:.4f} on {dev}, the run's record says {run.record.trained['h_at_1']:.4f}: encoders, projection "
            "or code are no longer those of the run",
            run.folder,
            fix="Run the comparison again with this version, in another folder",
        )
    after = measure_split(embed(embedder, material, _SPLIT), material, _SPLIT, settings, "trained")
    return RankTable(after.ranks.realistic, before.ranks.realistic, np.array(clusters_of(material.splits[_SPLIT], after.rows), np.int64))
