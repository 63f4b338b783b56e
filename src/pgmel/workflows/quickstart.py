"""The whole main job on the built-in demo: KB, features, game, evaluation, index, links, report."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from pgmel.datasets.demo import EXAMPLES, write_demo
from pgmel.evaluation import (
    LinkExample,
    PairedComparison,
    RankSeries,
    ReportData,
    SliceScores,
    SystemScores,
    TrainingCurves,
    compare_paired,
    write_html_report,
)
from pgmel.linking import Linker
from pgmel.records import Entity, Link, Mention
from pgmel.settings import Settings, settings_from
from pgmel.training import MetricsLog
from pgmel.version import __version__
from pgmel.workflows.measuring import Measurement
from pgmel.workflows.train import TrainingRun, train

__all__ = ["QUICKSTART", "Quickstart", "quickstart_settings", "run_quickstart"]

QUICKSTART: Final[dict[str, Any]] = {
    "features": {"image_encoder": "descriptor", "max_tokens": 64},
    "model": {"dim": 384, "text_input": 512, "image_input": 128, "hidden": 0},
    "training": {"epochs": 6, "batch_size": 64, "learning_rate": 1e-3, "infonce_weight": 0.5, "checkpoint_every": 100},
}
"""Settings of the demo run, where they differ from the defaults."""

MODALITIES: Final = {
    "text only": {"image_weight": 0.0},
    "image only": {"name_weight": 0.0, "context_weight": 0.0, "lexical_weight": 0.0},
    "fused": {},
}
"""Name to changed settings of the group ``features``."""


CURVES: Final = {
    "triplet_loss": "Triplet loss",
    "active_share": "Share of negatives that still teach",
    "positive_score": "Score of gold entities",
    "negative_score": "Score of negatives",
    "reward": "Generator's reward",
    "policy_entropy": "Entropy of the policy (nats)",
    "dev_h_at_1": "H@1 on dev",
    "dev_mrr": "MRR on dev",
}
"""Columns of metrics.csv that the report draws, and their headings."""


class Quickstart(NamedTuple):
    """What the quickstart found.

    Attributes:
        run: The training of the fused model.
        modalities: Name to figures before and after training, each trained on that modality alone.
        comparison: Trained against zero-shot, fused, mention by mention.
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


def quickstart_settings(seed: int = 0, **features: float) -> Settings:
    """Return the settings of the demo run; keywords change the group ``features``."""
    return settings_from({**QUICKSTART, "seed": seed, "features": QUICKSTART["features"] | features}, origin="the quickstart")


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
        runs[name] = train(quickstart_settings(seed, **changes), folder, out / "demo", restart=True, show_progress=show_progress)
    modalities = {name: _measured(run) for name, run in runs.items()}
    fused = runs["fused"]
    before, after = modalities["fused"]
    comparison = _compare(fused, before, after, seed)
    examples, errors = _link(fused, out / "demo")
    report = out / "report.html"
    data = _report_data(fused, modalities, comparison, examples, errors, out)
    write_html_report(report, data)
    return Quickstart(fused, modalities, comparison, examples, report, time.monotonic() - began)


def _measured(run: TrainingRun) -> tuple[Measurement, Measurement]:
    if run.zero_shot is None or run.trained is None:
        raise RuntimeError("the quickstart runs in one process; start it without torchrun")
    return run.zero_shot, run.trained


def _compare(run: TrainingRun, before: Measurement, after: Measurement, seed: int) -> PairedComparison:
    dev = run.material.splits["dev"]
    groups = [dev.mentions[row].context for row in np.flatnonzero(dev.rankable)]
    hits = (before.ranks.realistic <= 1, after.ranks.realistic <= 1)
    return compare_paired(*hits, np.random.default_rng(seed), groups)


def _link(run: TrainingRun, demo: Path) -> tuple[tuple[LinkExample, ...], tuple[LinkExample, ...]]:
    """Link the three examples, and dev; return the examples and a dozen errors."""
    linker = Linker.load(run.bundle, encoders=run.material.encoders)
    mentions = [replace(mention, image=demo / mention.image if mention.image else None) for mention in EXAMPLES]
    dev = run.material.splits["dev"].mentions
    entities = {entity.id: entity for entity in run.material.dataset.entities}
    examples = tuple(_example(mention, link, entities) for mention, link in zip(mentions, linker.link(mentions), strict=True))
    links = zip(dev, linker.link(dev), strict=True)
    wrong = tuple(_example(mention, link, entities) for mention, link in links if link.entity_id != mention.entity_id)
    return examples, wrong[:12]


def _example(mention: Mention, link: Link, entities: dict[str, Entity]) -> LinkExample:
    ids = [candidate.entity_id for candidate in link.candidates]
    if isinstance(mention.entity_id, str):
        ids.append(mention.entity_id)
    return LinkExample(mention, link, {entity_id: entities[entity_id] for entity_id in ids if entity_id in entities})


def _report_data(
    run: TrainingRun,
    modalities: dict[str, tuple[Measurement, Measurement]],
    comparison: PairedComparison,
    examples: Sequence[LinkExample],
    errors: Sequence[LinkExample],
    out: Path,
) -> ReportData:
    before, after = modalities["fused"]
    dev = run.material.splits["dev"]
    pictures = dev.features.report
    slices = tuple(
        SliceScores(name, (before.result.slices.get(name), after.result.slices.get(name)))
        for name in dict.fromkeys([*before.result.slices, *after.result.slices])
    )
    rows = tuple(
        SystemScores(f"{name}, {stage}", measurement.result.overall)
        for name, pair in modalities.items()
        for stage, measurement in zip(("zero-shot", "trained"), pair, strict=True)
    )
    return ReportData(
        title="pgmel quickstart",
        summary="The built-in demo: places whose names are ambiguous, linked from sentences and pictures of flags. "
        "All figures are on the demo's dev split, which early stopping and the NIL threshold have seen: they show that the method "
        "runs, not how good it is elsewhere.",
        facts={
            "entities": f"{len(run.material.entities):,}",
            "dev mentions": f"{len(dev.mentions):,}",
            "pictures in dev": f"{pictures.pictures_named} named, {pictures.pictures_missing} missing, {pictures.pictures_broken} broken",
            "version": __version__,
        },
        command=f"pgmel quickstart --out {out}",
        data=after.result.data,
        settings=after.result.settings,
        systems=(SystemScores("zero-shot", before.result.overall), SystemScores("trained", after.result.overall)),
        comparison=comparison,
        modalities=rows,
        slices=slices,
        ranks=(RankSeries("zero-shot", before.ranks.realistic), RankSeries("trained", after.ranks.realistic)),
        training=TrainingCurves(MetricsLog.read(out / "fused"), columns=tuple(CURVES), titles=CURVES),
        nil=after.result.nil,
        examples=tuple(examples),
        errors=tuple(errors),
        notes=("Text-only and image-only models are trained apart, each with its own modality alone.",),
    )
