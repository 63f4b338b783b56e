"""What a finished run leaves behind, and whether it is the run that is asked for."""

import io
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, final

import msgspec
import numpy as np
import numpy.typing as npt

from pgmel.errors import DataError
from pgmel.files import hash_json, read_json, write_bytes, write_json
from pgmel.settings import Settings
from pgmel.settings.game import POLICIES
from pgmel.training import MetricsLog

__all__ = [
    "RANKS_FILE",
    "CurvePoint",
    "PhaseTime",
    "RankTable",
    "RunRecord",
    "changed_settings",
    "portable",
    "read_curve",
    "read_phases",
    "read_ranks",
    "read_record",
    "write_ranks",
    "write_record",
]

RANKS_FILE: Final = "ranks.npz"

_FORMAT: Final = 1
_FILE: Final = "run.json"

_HARMLESS: Final = (
    "data.path",
    "evaluation.bootstrap",
    "evaluation.confidence",
    "features.batch_size",
    "features.cache_dir",
    "index.",
    "linking.",
    "training.checkpoint_every",
    "training.keep_checkpoints",
    "training.log_every",
    "training.tensorboard",
    "training.threads",
)
"""Settings, and groups of them, on which a run's scores do not depend."""


@final
@dataclass(frozen=True)
class PhaseTime:
    """Epochs of a phase, and the seconds its steps took; evaluation is not among them.

    Attributes:
        epochs: How many.
        seconds: By the clock on the wall.
        processor_s: Of the processor, all threads together; None in runs made before it was measured.
    """

    epochs: int
    seconds: float
    processor_s: float | None = None


@final
@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes:
        data, system, budget, seed: Which cell it was run for.
        settings: All its settings, without the place of the data root.
        fingerprint: Digest of the data set's files.
        mentions: Digest of the ranked mentions and their gold entities, in order.
        num_mentions: How many were ranked.
        updates: Updates of the discriminator.
        best_updates: After how many of them the best dev MRR stood; 0 is the untrained model.
        zero_shot: Metric to value, untrained, on dev.
        trained: Metric to value, best weights, on dev.
        phases: Phase to epochs and seconds.
        jobs: Processes that worked side by side.
        threads: Threads of this one.
        versions: Package to version.
        code: Digest of the code that trained, as it was when the process began.
        finished: When, as ISO date and time.
    """

    data: str
    system: str
    budget: str
    seed: int
    settings: dict[str, Any]
    fingerprint: str
    mentions: str
    num_mentions: int
    updates: int
    best_updates: int
    zero_shot: dict[str, float]
    trained: dict[str, float]
    phases: dict[str, PhaseTime]
    jobs: int
    threads: int
    versions: dict[str, str]
    code: str
    finished: str

    @property
    def seconds(self) -> float:
        """Training seconds, without evaluation."""
        return sum(phase.seconds for phase in self.phases.values())

    @property
    def processor_s(self) -> float | None:
        """Processor seconds of the same steps, all threads together; None if they were not measured in every phase."""
        found = [phase.processor_s for phase in self.phases.values() if phase.processor_s is not None]
        return sum(found) if found and len(found) == len(self.phases) else None

    @property
    def pretrain_updates(self) -> int:
        """Updates of the discriminator before the game; all epochs have as many."""
        return self.phases.get("pretrain_discriminator", PhaseTime(0, 0.0)).epochs * self.updates // max(self.epochs, 1)

    @property
    def epochs(self) -> int:
        """Epochs in which the discriminator learned."""
        return sum(phase.epochs for name, phase in self.phases.items() if name != "pretrain_generator")

    @property
    def digest(self) -> str:
        """Digest of what its scores depend on: settings and data."""
        return hash_json([_relevant(self.settings), self.fingerprint])


class RankTable(NamedTuple):
    """Per-mention ranks of a run: realistic, from 1.

    Attributes:
        trained: (mentions,) of the best weights.
        zero_shot: (mentions,) of the untrained model.
        groups: (mentions,) number of each mention's sentence.
    """

    trained: npt.NDArray[np.float64]
    zero_shot: npt.NDArray[np.float64]
    groups: npt.NDArray[np.int64]


class CurvePoint(NamedTuple):
    """Dev scores at the end of an epoch."""

    updates: int
    seconds: float
    h_at_1: float
    mrr: float


def write_record(folder: Path, record: RunRecord) -> None:
    """Write the record; it comes last, and marks the run as finished."""
    write_json(folder / _FILE, {"format": _FORMAT, "digest": record.digest, **msgspec.to_builtins(record)})


def read_record(folder: Path) -> RunRecord | None:
    """Return the record of a finished run; None if the run is not finished.

    Raises:
        DataError: If the record is damaged, or of another format.
    """
    file = folder / _FILE
    if not file.exists():
        return None
    value = read_json(file)
    if not isinstance(value, dict) or value.get("format") != _FORMAT:
        raise DataError(f"the record is not of format {_FORMAT}", file)
    try:
        return msgspec.convert(value, RunRecord)
    except msgspec.ValidationError as error:
        raise DataError(f"the record is damaged ({error})", file) from None


def write_ranks(file: Path, table: RankTable) -> None:
    """Write per-mention ranks."""
    buffer = io.BytesIO()
    arrays = {name: array.astype(np.int32 if name == "groups" else np.float32) for name, array in table._asdict().items()}
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(file, buffer.getvalue())


def read_ranks(file: Path) -> RankTable:
    """Read per-mention ranks.

    Raises:
        DataError: If the file is missing or damaged.
    """
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            return RankTable(found["trained"].astype(np.float64), found["zero_shot"].astype(np.float64), found["groups"].astype(np.int64))
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"the ranks cannot be read ({error})", file, fix="Delete the run's folder and run again") from None


def read_phases(folder: Path) -> dict[str, PhaseTime]:
    """Return how long each phase took, from ``metrics.csv``: the steps' own time, whatever was evaluated in between."""
    epochs: dict[str, set[str]] = {}
    seconds: dict[str, float] = {}
    used: dict[str, list[str]] = {}
    last = 0
    for row in MetricsLog.read(folder):
        step = int(row["step"])
        epochs.setdefault(row["phase"], set()).add(row["epoch"])
        seconds[row["phase"]] = seconds.get(row["phase"], 0.0) + (step - last) / float(row["steps_per_s"])
        used.setdefault(row["phase"], []).append(row.get("processor_s", ""))
        last = step
    return {
        phase: PhaseTime(len(found), seconds[phase], sum(map(float, used[phase])) if all(used[phase]) else None)
        for phase, found in epochs.items()
    }


def read_curve(folder: Path, zero_shot: Mapping[str, float]) -> list[CurvePoint]:
    """Return dev scores over updates and seconds of training, the untrained model first."""
    points = [CurvePoint(0, 0.0, zero_shot["h_at_1"], zero_shot["mrr"])]
    last, updates, seconds = 0, 0, 0.0
    for row in MetricsLog.read(folder):
        step = int(row["step"])
        updates += (step - last) * (row["phase"] != "pretrain_generator")
        seconds += (step - last) / float(row["steps_per_s"])
        last = step
        if row["dev_mrr"]:
            points.append(CurvePoint(updates, seconds, float(row["dev_h_at_1"]), float(row["dev_mrr"])))
    return points


def portable(settings: Settings, data_root: Path | None) -> dict[str, Any]:
    """Return settings as plain values in which the data root's place does not matter."""
    values: dict[str, Any] = settings.model_dump(mode="json")
    return _replace(values, str(data_root)) if data_root is not None else values


def changed_settings(record: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Say in what the settings of a record differ from those that are wanted.

    A setting that the record does not know, because it came later, counts as having had its default.

    Args:
        record: Settings of a finished run, from :func:`portable`.
        wanted: Settings of a cell, likewise.
    """
    defaults = _relevant(Settings().model_dump(mode="json"))
    old, new = (_effective(defaults | _relevant(settings)) for settings in (record, wanted))
    return [f"{key} {_show(old.get(key))} -> {_show(new.get(key))}" for key in sorted({*old, *new}) if old.get(key) != new.get(key)]


def _effective(flat: dict[str, Any]) -> dict[str, Any]:
    """Name the rule of pretraining where the settings leave it to the game's: the same run whether it is named or not."""
    sampler = flat["negatives.sampler"]
    return flat | {"training.pretrain_sampler": flat["training.pretrain_sampler"] or ("softmax" if sampler in POLICIES else sampler)}


def _relevant(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat = _flatten(settings, "")
    return {key: value for key, value in flat.items() if not key.startswith(_HARMLESS)}


def _flatten(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _replace(value: Any, root: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace(part, root) for key, part in value.items()}
    # Only whole paths: a root such as "." or "data" stands inside many other words.
    inside = isinstance(value, str) and (value == root or value.startswith((f"{root}/", f"{root}\\")))
    return "{data_root}" + value[len(root) :] if inside else value


def _show(value: object) -> str:
    return "none" if value is None else str(value)
