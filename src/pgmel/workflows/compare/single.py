"""One run of a comparison: train, measure on dev, keep what the tables need, drop the rest."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from safetensors.torch import save

from pgmel.errors import CheckpointError, DataError, SettingError
from pgmel.evaluation import METRICS
from pgmel.files import hash_json, read_json, write_bytes, write_json
from pgmel.linking import package_versions
from pgmel.models import Embedder
from pgmel.settings import Settings
from pgmel.training import World
from pgmel.workflows.assembling import known_scores, make_trainer
from pgmel.workflows.clusters import clusters_of
from pgmel.workflows.compare.code_state import code_digest
from pgmel.workflows.compare.plan import Cell
from pgmel.workflows.compare.record import RANKS_FILE, RankTable, RunRecord, changed_settings, read_phases, write_ranks, write_record
from pgmel.workflows.material import Material, load_material, make_encoders, mentions_digest, read_data
from pgmel.workflows.measuring import Measurement, embed, measure_split
from pgmel.workflows.preparation import prepare, start_embedder
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["BEST_FILE", "Bench", "Task", "material_key", "run_cell"]

BEST_FILE: Final = "best.safetensors"
"""The discriminator of the best dev MRR, for the test split at the very end."""

_NOT_ENCODING: Final = frozenset(
    {
        "name_weight",
        "context_weight",
        "lexical_weight",
        "years_weight",
        "image_weight",
        "lexical_rank",
        "batch_size",
        "encoder_learning_rate",
        "lora_rank",
        "lora_alpha",
    }
)
"""Settings of ``features`` that change nothing in what is encoded."""

_ONLY_WHETHER: Final = ("parts_weight", "layout_weight")
"""Settings of ``features`` of which only matters for encoding whether they are above 0."""


@final
@dataclass(frozen=True)
class Task:
    """A cell to run, with all that a process needs to know about it.

    Attributes:
        cell: What to run.
        data: Folder of its data set.
        folder: Folder of the run.
        fingerprint: Of the data set.
        settings: The cell's settings as the record keeps them.
        jobs: Processes side by side.
        threads: Threads for this one.
    """

    cell: Cell
    data: Path
    folder: Path
    fingerprint: str
    settings: Mapping[str, Any]
    jobs: int
    threads: int

    @property
    def material(self) -> str:
        """Digest of what has to be read and encoded for it; tasks that share it are run one after the other."""
        return material_key(self.cell.settings, self.data)


def material_key(settings: Settings, data: Path) -> str:
    """Return a digest of the data set and of the settings that decide how it is encoded."""
    features = settings.features.model_dump(mode="json", exclude=set(_NOT_ENCODING))
    features |= {name: features[name] > 0 for name in _ONLY_WHETHER}
    return hash_json([str(data), settings.data.model_dump(mode="json"), features, settings.training.device])


@final
class Bench:
    """The material of one data set, kept for the next run that needs the same."""

    def __init__(self) -> None:
        self._key = ""
        self._material: Material | None = None

    def material(self, settings: Settings, data: Path, splits: Sequence[str], show_progress: bool = False) -> Material:
        """Return the data set, read and encoded; from memory where the last call asked for the same."""
        key = hash_json([material_key(settings, data), list(splits)])
        if self._material is None or self._key != key:
            self._material = None  # two at once may not fit into memory
            device = resolve_device(settings.training.device)
            encoders = make_encoders(settings.features, str(device))
            self._material = load_material(read_data(settings, data), encoders, splits, show_progress)
            self._key = key
        return self._material


def run_cell(task: Task, bench: Bench, show_progress: bool = False) -> RunRecord:
    """Train a cell, from its checkpoint if it was interrupted, and write its record.

    Raises:
        PgmelError: If anything is wrong with settings, data or encoders.
        TrainingInterruptedError: On a signal, after a checkpoint.
    """
    settings, folder = task.cell.settings, task.folder
    if settings.features.train_encoder != "none":  # runs share what the frozen encoder gave, and are measured with it
        raise SettingError("a comparison keeps encoders frozen: leave out features.train_encoder; benchmarks/finetune.py compares it")
    use_threads(task.threads)
    device = resolve_device(settings.training.device)
    dev = settings.data.dev_split
    material = bench.material(settings, task.data, [settings.data.train_split, dev], show_progress)
    prepared = prepare(material, settings, str(device), show_progress)
    embedder = start_embedder(prepared.projection, settings, str(device))
    before = measure_split(embed(embedder, material, dev), material, dev, settings, "zero-shot")
    resume = _same_run(folder, task)
    _clear(folder, keep_checkpoints=resume)
    write_json(folder / "started.json", {"settings": task.settings, "fingerprint": task.fingerprint})
    trainer = make_trainer(material, embedder.discriminator, prepared, settings, folder, World(), False)
    try:
        result = trainer.run(resume=resume, known=known_scores(before))
    except CheckpointError:  # damaged, or the code changed what it holds
        result = trainer.run(resume=False, known=known_scores(before))
    after = measure_split(embed(embedder, material, dev), material, dev, settings, "trained")
    schedule = trainer.schedule
    updates = schedule.discriminator_step(result.steps), schedule.discriminator_step(result.best_step)
    return _keep(task, material, embedder, before, after, updates)


def _same_run(folder: Path, task: Task) -> bool:
    """Whether what was begun in a folder is the run that is asked for now."""
    try:
        begun = read_json(folder / "started.json")
        return begun["fingerprint"] == task.fingerprint and not changed_settings(begun["settings"], task.settings)
    except (DataError, KeyError, TypeError):
        return False


def _clear(folder: Path, keep_checkpoints: bool) -> None:
    for name in ("run.json", "failure.txt", RANKS_FILE, BEST_FILE, "results.json"):
        (folder / name).unlink(missing_ok=True)
    if not keep_checkpoints:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder / "metrics.csv").unlink(missing_ok=True)


def _keep(
    task: Task, material: Material, embedder: Embedder, before: Measurement, after: Measurement, updates: tuple[int, int]
) -> RunRecord:
    """Write everything about a finished run, its record last, and drop the checkpoints."""
    cell, folder, dev = task.cell, task.folder, task.cell.settings.data.dev_split
    mentions = [material.splits[dev].mentions[row] for row in after.rows]
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in embedder.discriminator.state_dict().items()}
    write_bytes(folder / BEST_FILE, save(weights))
    write_json(folder / "settings.json", cell.settings.model_dump(mode="json"))
    write_json(folder / "results.json", {"zero_shot": before.result.to_dict(), "trained": after.result.to_dict()})
    write_ranks(
        folder / RANKS_FILE,
        RankTable(after.ranks.realistic, before.ranks.realistic, np.array(clusters_of(material.splits[dev], after.rows), np.int64)),
    )
    record = RunRecord(
        data=cell.data,
        system=cell.system,
        budget=cell.budget,
        seed=cell.seed,
        settings=dict(task.settings),
        fingerprint=task.fingerprint,
        mentions=mentions_digest(mentions),
        num_mentions=len(mentions),
        updates=updates[0],
        best_updates=updates[1],
        zero_shot=_values(before),
        trained=_values(after),
        phases=read_phases(folder),
        jobs=task.jobs,
        threads=torch.get_num_threads(),
        versions=package_versions(),
        code=code_digest(),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    write_record(folder, record)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    (folder / "started.json").unlink(missing_ok=True)
    return record


def _values(measurement: Measurement) -> dict[str, float]:
    return {metric: measurement.result.overall.interval(metric).value for metric in METRICS}
