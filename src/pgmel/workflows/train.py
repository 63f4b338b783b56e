"""The main job: data in, trained and evaluated bundle out."""

import logging
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from pgmel.errors import SettingError
from pgmel.evaluation import PairedComparison
from pgmel.files import write_json
from pgmel.index import EntityIndex
from pgmel.linking import Decision, check_replaceable, write_bundle
from pgmel.linking.reranking import Reranker
from pgmel.models import Embedder
from pgmel.settings import Settings
from pgmel.training import TrainingResult, world
from pgmel.training.checkpoint import find_checkpoint
from pgmel.workflows.assembling import known_scores, make_trainer
from pgmel.workflows.deciding import decision_goals
from pgmel.workflows.finetuning import ENCODER, keep_tuned
from pgmel.workflows.material import Material, load_material, make_encoders, read_data
from pgmel.workflows.measuring import (
    Measurement,
    Vectors,
    add_second_stage,
    compare_stages,
    describe_data,
    embed,
    fit_nil,
    measure_split,
)
from pgmel.workflows.preparation import prepare, start_embedder
from pgmel.workflows.reranking import reads_text, train_reranker

__all__ = ["TrainingRun", "resolve_device", "train", "use_threads"]

log = logging.getLogger("pgmel.workflows")


class TrainingRun(NamedTuple):
    """What a training run gave; a process that does not lead gets no measurements.

    Attributes:
        bundle: Folder of the bundle.
        material: The data, encoded; where the text encoder learned, dev and KB alone, encoded by the tuned one.
        embedder: The trained model.
        zero_shot: Figures of the untrained model on dev.
        trained: Figures of the trained model on dev.
        decision: NIL threshold and calibration.
        result: How training ended.
        waited_s: Seconds from the call to the first step.
        reranked: Figures after the second stage; None where there is none.
        second_stage: Hits at 1 before and after the second stage, compared mention by mention.
    """

    bundle: Path
    material: Material
    embedder: Embedder
    zero_shot: Measurement | None
    trained: Measurement | None
    decision: Decision | None
    result: TrainingResult
    waited_s: float
    reranked: Measurement | None = None
    second_stage: PairedComparison | None = None

    @property
    def final(self) -> Measurement | None:
        """Figures of what the bundle does: after the second stage, where there is one."""
        return self.reranked or self.trained


def resolve_device(name: str) -> torch.device:
    """Return the device that a setting names.

    Raises:
        SettingError: If it is unknown or not there.
    """
    if name in {"auto", "cuda"} and torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))  # one accelerator for each local process
        torch.cuda.set_device(device)
        return device
    if name == "auto":
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SettingError(f"training.device = {name!r} cannot be used: {str(error).splitlines()[0]}; use auto or cpu") from None
    return device


def use_threads(threads: int | None) -> None:
    """Set the number of threads for arithmetic; by default the cores, 4 at most, shared among local processes."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    count = threads or max(1, min(4, os.cpu_count() or 1) // processes)
    torch.set_num_threads(count)
    threadpool_limits(count)  # numpy's and scikit-learn's own pools


def train(settings: Settings, out: Path, data: Path | None = None, *, restart: bool = False, show_progress: bool = True) -> TrainingRun:
    """Train, evaluate on dev, index, and write a bundle into ``out / "bundle"``.

    The run's folder also gets ``settings.json``, ``metrics.csv``, ``results.json``, ``checkpoints/`` and TensorBoard files. Run again with
    the same settings and data it goes on from the newest checkpoint. A text encoder that learned is written to ``out / "encoder"`` too.

    Args:
        settings: All settings.
        out: Folder of the run.
        data: The data set; by default the one that the settings name.
        restart: Begin anew even if there are checkpoints.
        show_progress: Whether to show bars.

    Raises:
        PgmelError: If anything is wrong with settings, data, encoders or checkpoints, or on a signal, after a checkpoint.
    """
    began = time.monotonic()
    _check_folder(out)
    check_replaceable(out / "bundle")
    device = resolve_device(settings.training.device)
    use_threads(settings.training.threads)
    with world(device) as here:
        material = here.first(lambda: _load(settings, data, device, show_progress and here.leads))
        prepared = here.first(lambda: prepare(material, settings, str(device), show_progress and here.leads))
        embedder = start_embedder(prepared.projection, settings, str(device))
        dev = settings.data.dev_split
        zero_shot = measure_split(embed(embedder, material, dev), material, dev, settings, "zero-shot") if here.leads else None
        trainer = make_trainer(material, embedder.discriminator, prepared, settings, out, here, show_progress)
        # A run that goes on may be refused as another one; the settings that the folder's checkpoints belong to must then stay.
        if here.leads and (restart or find_checkpoint(out / "checkpoints") is None):
            _write_settings(out, settings, data)
        result = trainer.run(resume=not restart, known=known_scores(zero_shot))
        waited = (result.first_step_at or time.monotonic()) - began
        log.info("the first step was done %.1f s after the start", waited)
        if not here.leads:
            return TrainingRun(out / "bundle", material, embedder, None, None, None, result, waited)
    reranker = None
    if settings.linking.rerank and reads_text(settings):
        reranker = train_reranker(material, prepared, settings, out, device, not restart, show_progress)
    if trainer.tuner:
        material = keep_tuned(trainer.tuner, material, settings, out / ENCODER, device, show_progress)
    vectors = embed(embedder, material, dev)
    decision, trained = _calibrate_and_measure(vectors, material, settings, "trained")
    about_stage = reranked = comparison = None
    if reranker is not None:
        without = decision
        decision, reranked = _calibrate_and_measure(add_second_stage(vectors, reranker, material, dev), material, settings, "re-ranked")
        comparison = compare_stages(trained, reranked, material, dev, settings)
        about_stage = reranker.to_dict() | {"on_dev": comparison.to_dict(), "decision_without": without.to_dict()}
    _write_settings(out, settings, data)
    measured = {"zero_shot": zero_shot, "trained": trained, "reranked": reranked}
    scores = {name: part.result.to_dict() for name, part in measured.items() if part is not None}
    write_json(out / "results.json", scores | ({"second_stage": comparison.to_dict()} if comparison else {}))
    _write_bundle(out / "bundle", material, embedder, vectors.entities, settings, scores, decision, reranker, about_stage)
    return TrainingRun(out / "bundle", material, embedder, zero_shot, trained, decision, result, waited, reranked, comparison)


def _calibrate_and_measure(vectors: Vectors, material: Material, settings: Settings, system: str) -> tuple[Decision, Measurement]:
    """Fit the decision on dev, and measure dev with it: each stage has scores of its own, and so a decision of its own."""
    dev = settings.data.dev_split
    decision = fit_nil(vectors, material.splits[dev], settings.linking.top_k, settings.seed, decision_goals(settings))
    return decision, measure_split(vectors, material, dev, settings, system, decision=decision, is_fitted_here=True)


def _check_folder(out: Path) -> None:
    """Find out before the work, not after it, that the results cannot be written."""
    nearest = next((folder for folder in (out, *out.parents) if folder.exists()), out)
    if nearest.exists() and not nearest.is_dir():
        raise SettingError(f"the run's folder cannot be {out}: {nearest} is a file; name another folder with --out")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise SettingError(f"the run's folder cannot be {out}: nothing may be written in {nearest}; name another folder with --out")


def _write_settings(out: Path, settings: Settings, data: Path | None) -> None:
    """Write down every setting, and where the data really were: who looks at the run later has to find them."""
    values = settings.model_dump(mode="json")
    path = data if data is not None else settings.data.path
    values["data"]["path"] = None if path is None else str(path.absolute())
    write_json(out / "settings.json", values)


def _load(settings: Settings, data: Path | None, device: torch.device, show_progress: bool) -> Material:
    dataset = read_data(settings, data)
    encoders = make_encoders(settings.features, str(device))
    return load_material(dataset, encoders, [settings.data.train_split, settings.data.dev_split], show_progress)


def _write_bundle(
    folder: Path,
    material: Material,
    embedder: Embedder,
    vectors: np.ndarray,
    settings: Settings,
    scores: dict[str, Any],
    decision: Decision,
    reranker: Reranker | None,
    about_stage: dict[str, Any] | None,
) -> None:
    kind = settings.index
    index = EntityIndex.build(vectors, kind.kind, kind.exact_limit, kind.nprobe, kind.refine, np.random.default_rng(settings.seed))
    card = {
        "data": describe_data(material),
        "settings": settings.model_dump(mode="json"),
        "scores": scores,
        "encoders": material.encoders.describe(),
        "decision": decision,
        "reranker": about_stage,
    }
    encoder = folder.parent / ENCODER if settings.features.train_encoder != "none" else None
    write_bundle(
        folder, material.dataset.entities, embedder, index, card, image_root=material.dataset.root, encoder=encoder, reranker=reranker
    )
