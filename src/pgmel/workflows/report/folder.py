"""Open the folder of a run, finished or not, and say what is wrong with it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import msgspec

from pgmel.errors import BundleError, DataError, SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.files import read_data, read_json
from pgmel.linking import read_card
from pgmel.settings import Settings, settings_from
from pgmel.training import MetricsFile, read_metrics
from pgmel.workflows.evaluate import settings_of

__all__ = ["RECORD", "RunFolder", "open_run"]

SETTINGS: Final = "settings.json"
METRICS: Final = "metrics.csv"
RESULTS: Final = "results.json"
BUNDLE: Final = "bundle"
RECORD: Final = "run.json"
"""What `pgmel compare` writes last into the folder of a run of its own."""

STARTED: Final = "started.json"
"""What it writes first."""

_SYSTEMS: Final = ("zero_shot", "trained", "reranked")
_DATA_PATH: Final = re.compile(rb'"data"\s*:\s*\{[^{}]*?"path"\s*:\s*("(?:[^"\\]|\\.)*")')


@final
@dataclass(frozen=True)
class RunFolder:
    """What ``pgmel train``, or a run of ``pgmel compare``, left in a folder.

    Attributes:
        path: The folder.
        settings: Those of the bundle, or of a run without one; None where an unfinished run has lost them.
        written: Those of the folder, with which its metrics were logged; None where they cannot be read.
        card: The bundle's card; None while training has not finished, and in a run of a comparison.
        is_compared: Whether it is a finished run of ``pgmel compare``, which keeps figures and ranks, but no bundle.
        metrics: What was logged.
        recorded: ``zero_shot``, ``trained`` and, with a second stage, ``reranked``, as measured when training ended.
        data: The data set that was trained on, as far as it was written down.
        remarks: What a reader must know: sentences.
    """

    path: Path
    settings: Settings | None
    written: Settings | None
    card: Mapping[str, Any] | None
    is_compared: bool
    metrics: MetricsFile
    recorded: Mapping[str, EvaluationResult]
    data: Path | None
    remarks: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """Where the bundle is, or would be."""
        return self.path / BUNDLE

    @property
    def last_step(self) -> int | None:
        """Step of the newest checkpoint; None if there is none."""
        names = (re.fullmatch(r"step-(\d+)\.safetensors", file.name) for file in (self.path / "checkpoints").glob("step-*"))
        return max((int(name[1]) for name in names if name), default=None)


def open_run(folder: Path) -> RunFolder:
    """Read settings, metrics, results and card of a run.

    A finished run may lack all but its bundle; what is missing or damaged is said in the remarks.

    Raises:
        BundleError: If the folder is missing, no run, or its bundle is damaged; if training has logged nothing yet.
        DataError: If the metrics of an unfinished run, or the results of a run without a bundle, cannot be read.
    """
    _check_is_run(folder)
    remarks: list[str] = []
    card = read_card(folder / BUNDLE) if (folder / BUNDLE).exists() else None
    is_compared = card is None and (folder / RECORD).exists() and (folder / RESULTS).exists()
    written = _read_settings(folder, remarks)
    settings = settings_of(dict(card), folder / BUNDLE) if card is not None else written
    if settings is not None and written is not None and _differ(settings, written):
        remarks.append(
            "The folder's settings are not those of its bundle: training was begun anew and has not finished. Figures are of the "
            "bundle, curves of the later training."
        )
    metrics = _read_metrics(folder / METRICS, is_needed=card is None and not is_compared, remarks=remarks)
    recorded = _read_results(folder / RESULTS, is_needed=is_compared, remarks=remarks) if card is not None or is_compared else {}
    data = written.data.path if written else _find_data(folder / SETTINGS)
    return RunFolder(folder, settings, written, card, is_compared, metrics, recorded, data, tuple(remarks))


def _check_is_run(folder: Path) -> None:
    if not folder.exists():
        raise BundleError(f"the run {folder} does not exist; name the folder that `pgmel train --out` wrote")
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file; name the folder that `pgmel train --out` wrote")
    if any((folder / name).exists() for name in (SETTINGS, METRICS, BUNDLE)):
        return
    if (folder / "card.json").exists():
        raise BundleError(f"{folder} is a bundle, not the folder of a run; that is probably {folder.parent}")
    if (folder / "comparison.json").exists():
        raise BundleError(
            f"{folder} is the folder of a comparison: its page is {folder / 'comparison.html'}; name one of its runs, "
            f"{folder / 'runs'}/DATA/SYSTEM/seed-N, for a report of that"
        )
    inner = sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS}"))
    hint = f"; it holds the runs {', '.join(inner)}: name one of them" if inner else "; name the folder that `pgmel train --out` wrote"
    raise BundleError(f"{folder} is no run: it has no {SETTINGS}, no {METRICS} and no {BUNDLE}{hint}")


def _read_settings(folder: Path, remarks: list[str]) -> Settings | None:
    file = folder / SETTINGS
    try:
        if not file.exists() and (folder / STARTED).exists():
            file = folder / STARTED
            values = dict(read_json(file)).get("settings")
        else:
            values = read_json(file)
        if not isinstance(values, dict):
            raise DataError("the file does not hold settings", file)
        return settings_from(values, origin=str(file))
    except SettingError as error:
        faults = "; ".join(line.strip(" -") for line in str(error).splitlines()[1:]) or str(error)
        remarks.append(f"{file} is of another version, or was changed ({faults}), and is left aside.")
    except (DataError, TypeError, ValueError) as error:
        remarks.append(f"The folder's settings cannot be used: {str(error).rstrip('.')}.")
    return None


def _find_data(file: Path) -> Path | None:
    """Return where settings that cannot be used say that the data are, however little else of them can be read."""
    try:
        content = read_data(file)
    except DataError:
        return None
    found = _DATA_PATH.search(content)
    try:
        path = msgspec.json.decode(found[1], type=str) if found else ""
    except (msgspec.DecodeError, UnicodeDecodeError):
        path = ""
    return Path(path) if path else None


def _read_metrics(file: Path, *, is_needed: bool, remarks: list[str]) -> MetricsFile:
    try:
        metrics = read_metrics(file)
    except DataError as error:
        if is_needed and file.exists():
            raise
        metrics = MetricsFile((), ())
        if not is_needed:
            remarks.append(f"There are no curves: {str(error).rstrip('.')}.")
            return metrics
    if not metrics.rows and not is_needed:
        remarks.append(f"There are no curves: {file} holds no usable row.")
    elif not metrics.rows:
        said = f" (it has {len(metrics.faults)} faulty lines; {metrics.faults[0]})" if metrics.faults else ""
        raise BundleError(f"there is nothing to show yet: training is not finished, and {file} holds no usable row{said}")
    return metrics


def _read_results(file: Path, *, is_needed: bool, remarks: list[str]) -> dict[str, EvaluationResult]:
    try:
        values = read_json(file)
        found = {name: EvaluationResult.from_dict(part, file) for name, part in dict(values).items() if name in _SYSTEMS}
        if is_needed and "trained" not in found:
            raise DataError("the file lacks the figures of the trained model", file)
    except (DataError, TypeError, ValueError) as error:
        if is_needed:
            raise error if isinstance(error, DataError) else DataError(f"the file does not hold results ({error})", file) from None
        remarks.append(f"The figures of the end of training are not at hand to compare with: {error}.")
        return {}
    return found


def _differ(bundled: Settings, written: Settings) -> bool:
    """Return whether two settings differ in more than where things lie."""
    place_only = {"data": {"path"}, "features": {"text_encoder", "image_encoder", "cache_dir"}}
    return bundled.model_dump(exclude=place_only) != written.model_dump(exclude=place_only)
