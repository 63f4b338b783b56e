"""The whole main job on the built-in demo: KB, features, game, evaluation, index, links, report."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from pgmel.datasets.demo import EXAMPLES, write_demo
from pgmel.evaluation import LinkExample, PairedComparison, ReportData, SystemScores, write_html_report
from pgmel.linking import Linker
from pgmel.records import Entity, Link, Mention
from pgmel.settings import Settings, settings_from
from pgmel.training import read_metrics
from pgmel.version import __version__
from pgmel.workflows.measuring import Measurement
from pgmel.workflows.report import TrainedModel, collect_report, compare_hits
from pgmel.workflows.train import TrainingRun, train

__all__ = ["QUICKSTART", "Quickstart", "quickstart_settings", "run_quickstart"]

QUICKSTART: Final[dict[str, Any]] = {
    "features": {"image_encoder": "descriptor", "max_tokens": 64},
    "model": {"dim": 384, "text_input": 512, "image_input": 128, "hidden": 0},
    "negatives": {"sampler": "generator", "num": 4},
    "generator": {"prior": "retrieval"},
    "training": {
        "objective": "triplet",
        "infonce_weight": 0.5,
        "pretrain_sampler": "pool_uniform",
        "epochs": 6,
        "batch_size": 64,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "checkpoint_every": 100,
    },
}
"""Settings of the demo run, where they differ from the defaults."""

MODALITIES: Final = {
    "text only": {"image_weight": 0.0},
    "image only": {"name_weight": 0.0, "context_weight": 0.0, "lexical_weight": 0.0, "years_weight": 0.0},
    "fused": {},
}
"""Name to changed settings of the group ``features``."""

FUSED: Final = "fused"
"""The model that the report is about and that links; the others stand beside it, and get no second stage."""


NUM_ERRORS: Final = 40
"""Most wrong links on the page."""


class Quickstart(NamedTuple):
    """What the quickstart found.

    Attributes:
        run: The training of the fused model.
        modalities: Name to figures before and after training, each trained on that modality alone.
        comparison: Trained (single vector) against zero-shot, fused, mention by mention.
        examples: Three links.
        report: The HTML page.
        seconds: Time for all of it.
    """

    run: TrainingRun
    modalities: dict[str, tuple[Measurement, Measurement]]
    comparison: PairedComparison
    examples: tuple[LinkExample, ...]
    report: Path
    seconds: float


def quickstart_settings(seed: int = 0, rerank: bool = True, **features: float) -> Settings:
    """Return the settings of the demo run; further keywords change the group ``features``."""
    changed = {"seed": seed, "features": QUICKSTART["features"] | features, "linking": {"rerank": rerank}}
    return settings_from({**QUICKSTART, **changed}, origin="the quickstart")


def run_quickstart(out: Path, seed: int = 0, show_progress: bool = True) -> Quickstart:
    """Write the demo, train text-only, image-only and fused models on it, link three mentions, and write a report.

    Args:
        out: Folder for the demo data, the runs and ``report.html``; an earlier quickstart there is replaced.
        seed: Of the demo and of training.
        show_progress: Whether to show bars.

    Raises:
        DataError: If the folder's ``demo`` holds something else than an earlier demo.
    """
    began = time.monotonic()
    write_demo(out / "demo", seed)
    runs: dict[str, TrainingRun] = {}
    for name, changes in MODALITIES.items():
        folder = out / name.replace(" ", "-")
        settings = quickstart_settings(seed, name == FUSED, **changes)
        runs[name] = train(settings, folder, out / "demo", restart=True, show_progress=show_progress)
    modalities = {name: _measured(run) for name, run in runs.items()}
    fused = runs[FUSED]
    model = _trained_model(fused, modalities[FUSED], quickstart_settings(seed), out / FUSED)
    examples = _link_examples(fused, out / "demo")
    report = out / "report.html"
    data = _report_data(model, modalities, examples, out)
    write_html_report(report, data)
    comparison = compare_hits(replace(model, after=modalities[FUSED][1]))
    if comparison is None:
        raise RuntimeError("the quickstart measures the untrained model; without it there is nothing to compare")
    return Quickstart(fused, modalities, comparison, examples, report, time.monotonic() - began)


def _measured(run: TrainingRun) -> tuple[Measurement, Measurement]:
    if run.zero_shot is None or run.trained is None:
        raise RuntimeError("the quickstart runs in one process; start it without torchrun")
    return run.zero_shot, run.trained


def _trained_model(run: TrainingRun, measured: tuple[Measurement, Measurement], settings: Settings, folder: Path) -> TrainedModel:
    metrics = read_metrics(folder / "metrics.csv")
    before, trained = measured
    return TrainedModel(
        run.material,
        settings.data.dev_split,
        settings,
        run.embedder,
        before,
        run.reranked or trained,
        run.decision,
        is_fitted_here=True,
        metrics=metrics,
        single=trained if run.reranked else None,
    )


def _link_examples(run: TrainingRun, demo: Path) -> tuple[LinkExample, ...]:
    """Link the three examples with the bundle, as a user would."""
    mentions = [replace(mention, image=demo / mention.image if mention.image else None) for mention in EXAMPLES]
    entities = {entity.id: entity for entity in run.material.dataset.entities}
    with Linker.load(run.bundle, encoders=run.material.encoders) as linker:
        return tuple(_example(mention, link, entities) for mention, link in zip(mentions, linker.link(mentions), strict=True))


def _example(mention: Mention, link: Link, entities: dict[str, Entity]) -> LinkExample:
    ids = [candidate.entity_id for candidate in link.candidates]
    if isinstance(mention.entity_id, str):
        ids.append(mention.entity_id)
    return LinkExample(mention, link, {entity_id: entities[entity_id] for entity_id in ids if entity_id in entities})


def _report_data(
    model: TrainedModel, modalities: dict[str, tuple[Measurement, Measurement]], examples: tuple[LinkExample, ...], out: Path
) -> ReportData:
    page = collect_report(model, NUM_ERRORS)
    rows = tuple(
        SystemScores(f"{name}, {stage}", measurement.result.overall)
        for name, pair in modalities.items()
        for stage, measurement in zip(("zero-shot", "trained"), pair, strict=True)
    )
    if model.single is not None:
        rows = (*rows, SystemScores(f"{FUSED}, re-ranked", model.after.result.overall))
    dev = model.material.splits["dev"]
    pictures = dev.features.report
    return replace(
        page,
        title="pgmel quickstart",
        summary="The built-in demo: places whose names are ambiguous, linked from sentences and pictures of flags. "
        "All figures are on the demo's dev split, which early stopping and the NIL threshold have seen: they show that the method "
        "runs, not how good it is elsewhere.",
        facts={
            "entities": f"{len(model.material.entities):,}",
            "dev mentions": f"{len(dev.mentions):,}",
            "pictures in dev": f"{pictures.pictures_named} named, {pictures.pictures_missing} missing, {pictures.pictures_broken} broken",
            "version": __version__,
        },
        command=f"pgmel quickstart --out {out}",
        modalities=rows,
        examples=examples,
        examples_note="",
        notes=(*page.notes, "Text-only and image-only models are trained apart, each with its own modality alone."),
    )
