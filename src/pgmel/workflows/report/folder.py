"""Open the folder of a run, finished or not, and say what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from pgmel.errors import BundleError, DataError, SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.files import read_json
from pgmel.linking import read_card
from pgmel.settings import Settings, settings_from
from pgmel.training import MetricsFile, read_metrics
from pgmel.workflows.evaluate import settings_of

__all__ = ["RunFolder", "open_run"]

SETTINGS: Final = "settings.json"
METRICS: Final = "metrics.csv"
RESULTS: Final = "results.json"
BUNDLE: Final = "bundle"

_SYSTEMS: Final = ("zero_shot", "trained", "reranked")


@final
@dataclass(frozen=True)
class RunFolder:
    """What ``pgmel train`` left in a folder.

    Attributes:
        path: The folder.
        settings: Those of the bundle, or of an unfinished run; None where an unfinished run has lost them.
        card: The bundle's card; None while training has not finished.
        metrics: What was logged.
        recorded: ``zero_shot``, ``trained`` and, with a second stage, ``reranked``, as measured when training ended.
        data: The data set that was trained on, as far as it was written down.
        remarks: What a reader must know: sentences.
    """

    path: Path
    settings: Settings | None
    card: Mapping[str, Any] | None
    metrics: MetricsFile
    recorded: Mapping[str, EvaluationResult]
    data: Path | None
    remarks: tuple[str, ...]

    @property
    def bundle(self) -> Path:
        """Where the bundle is, or would be."""
        return self.path / BUNDLE


def open_run(folder: Path) -> RunFolder:
    """Read settings, metrics, results and card of a run.

    A finished run may lack all but its bundle; what is missing or damaged is said in the remarks.

    Raises:
        BundleError: If the folder is missing, no run, or its bundle is damaged; if training has logged nothing yet.
        DataError: If the metrics of an unfinished run, or its settings, cannot be read.
    """
    _check_is_run(folder)
    remarks: list[str] = []
    card = read_card(folder / BUNDLE) if (folder / BUNDLE).exists() else None
    written = _read_settings(folder / SETTINGS, is_needed=card is None, remarks=remarks)
    settings = settings_of(dict(card), folder / BUNDLE) if card is not None else written
    if settings is not None and written is not None and _differ(settings, written):
        remarks.append(
            "The folder's settings are not those of its bundle: training was begun anew and has not finished. Figures are of the "
            "bundle, curves of the later training."
        )
    metrics = _read_metrics(folder / METRICS, is_needed=card is None, remarks=remarks)
    recorded = _read_results(folder / RESULTS, remarks) if card is not None else {}
    return RunFolder(folder, settings, card, metrics, recorded, written.data.path if written else None, tuple(remarks))


def _check_is_run(folder: Path) -> None:
    if not folder.exists():
        raise BundleError(f"the run {folder} does not exist; name the folder that `pgmel train --out` wrote")
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file; name the folder that `pgmel train --out` wrote")
    if any((folder / name).exists() for name in (SETTINGS, METRICS, BUNDLE)):
        return
    if (folder / "card.json").exists():
        raise BundleError(f"{folder} is a bundle, not the folder of a run; that is probably {folder.parent}")
    inner = sorted(path.parent.name for path in folder.glob(f"*/{SETTINGS}"))
    hint = f"; it holds the runs {', '.join(inner)}: name one of them" if inner else "; name the folder that `pgmel train --out` wrote"
    raise BundleError(f"{folder} is no run: it has no {SETTINGS}, no {METRICS} and no {BUNDLE}{hint}")


def _read_settings(file: Path, *, is_needed: bool, remarks: list[str]) -> Settings | None:
    """Return the settings of the folder; where the bundle has them too, theirs are not needed."""
    try:
        values = read_json(file)
        if not isinstance(values, dict):
            raise DataError("the file does not hold settings", file)
        return settings_from(values, origin=str(file))
    except (DataError, SettingError) as error:
        if file.exists() and is_needed:
            raise
        remarks.append(f"The settings of the folder cannot be used: {error}.")
        return None


def _read_metrics(file: Path, *, is_needed: bool, remarks: list[str]) -> MetricsFile:
    try:
        metrics = read_metrics(file)
    except DataError as error:
        if is_needed and file.exists():
            raise
        metrics = MetricsFile((), ())
        if not is_needed:
            remarks.append(f"There are no curves: {error}.")
    if is_needed and not metrics.rows:
        said = f" (it has {len(metrics.faults)} faulty lines; {metrics.faults[0]})" if metrics.faults else ""
        raise BundleError(f"there is nothing to show yet: training is not finished, and {file} holds no usable row{said}")
    return metrics


def _read_results(file: Path, remarks: list[str]) -> dict[str, EvaluationResult]:
    try:
        values = read_json(file)
        return {name: EvaluationResult.from_dict(part, file) for name, part in dict(values).items() if name in _SYSTEMS}
    except (DataError, TypeError, ValueError) as error:
        remarks.append(f"The figures of the end of training are not at hand to compare with: {error}.")
        return {}


def _differ(bundled: Settings, written: Settings) -> bool:
    """Return whether two settings differ in more than where things lie."""
    place_only = {"data": {"path"}, "features": {"text_encoder", "image_encoder", "cache_dir"}}
    return bundled.model_dump(exclude=place_only) != written.model_dump(exclude=place_only)
