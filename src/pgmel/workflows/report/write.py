"""From the folder of a run to its report."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pgmel.errors import BundleError, DataError, EncoderError, MissingExtraError, SettingError
from pgmel.evaluation import ReportData, write_html_report
from pgmel.files import find_obstacle
from pgmel.linking import Decision, load_encoders, load_reranker
from pgmel.models import Embedder
from pgmel.settings import Settings
from pgmel.version import __version__
from pgmel.workflows.evaluate import decision_of, is_fitted_on
from pgmel.workflows.material import Material, limit_mentions, load_material, make_encoders, open_dataset
from pgmel.workflows.measuring import Measurement, add_second_stage, embed, measure_split
from pgmel.workflows.preparation import start_embedder
from pgmel.workflows.report.collect import REMOVED_SHARE, TrainedModel, collect_report, describe_settings
from pgmel.workflows.report.compared import compared_page
from pgmel.workflows.report.curves import training_curves
from pgmel.workflows.report.folder import RunFolder, open_run
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["ReportWritten", "report_run"]

log = logging.getLogger("pgmel.workflows")


class ReportWritten(NamedTuple):
    """The page, and what is on it.

    Attributes:
        file: The HTML page.
        data: What it shows.
        is_finished: Whether the run was; of an unfinished one there are curves only.
        has_bundle: Whether there was a bundle to link with; a run of a comparison has none.
    """

    file: Path
    data: ReportData
    is_finished: bool
    has_bundle: bool = True


def report_run(
    run: Path,
    out: Path | None = None,
    *,
    data: Path | None = None,
    split: str | None = None,
    num_errors: int = 100,
    remove_gold: float = REMOVED_SHARE,
    layout: str | None = None,
    on_error: Literal["stop", "skip"] | None = None,
    device: str = "auto",
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    show_progress: bool = True,
) -> ReportWritten:
    """Write the report of a run.

    Args:
        run: Folder that training, or one run of a comparison, wrote.
        out: The HTML file; by default ``report.html`` in the run's folder.
        data: The data set; by default the one that the run was trained on.
        split: Which of its splits; by default the one that training measured.
        num_errors: Most wrong answers to show.
        remove_gold: Share of the gold entities to remove from the KB for the section on NIL; 0 leaves it out.
        layout: Layout of the data set; by default the run's.
        on_error: What to do at a faulty record; by default the run's.
        device: Where encoders and model run.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        show_progress: Whether to show bars.

    Raises:
        BundleError: If the folder is no run, or damaged.
        SettingError: If nobody says where the data are; if a split is asked for that a run without a bundle was not measured on.
        DataError: If the report cannot be written there; if the data are missing or faulty, or the metrics cannot be read.
        EncoderError: If the encoders cannot be had, or are others.
    """
    found = open_run(run)
    file = out if out is not None else run / "report.html"
    if obstacle := "this is a folder" if file.is_dir() else find_obstacle(file):
        raise DataError(f"the report cannot be written: {obstacle}", file, fix="Name another file with --out")
    if found.card is None or found.settings is None:
        page = compared_page(found, split) if found.is_compared else _unfinished(found)
        write_html_report(file, page)
        return ReportWritten(file, page, found.is_compared, False)
    settings = found.settings
    place = resolve_device(device)
    use_threads(settings.training.threads)
    root = data if data is not None else _recorded_data(found)
    dataset = limit_mentions(open_dataset(root, layout or settings.data.layout, on_error or settings.data.on_error), settings)
    encoders = load_encoders(found.card, found.bundle, str(place), text_encoder, image_encoder, use_cache=True)
    material = load_material(dataset, encoders, [split or settings.data.dev_split], show_progress)
    model = _measure(found, found.card, settings, material, split or settings.data.dev_split, str(place))
    page = _finished(found, model, collect_report(model, num_errors, remove_gold))
    write_html_report(file, page)
    return ReportWritten(file, page, True)


def _recorded_data(found: RunFolder) -> Path:
    if found.data is None:
        why = "".join(f"\n{remark}" for remark in found.remarks) if found.written is None else ""
        raise SettingError(f"the run {found.path} does not say where its data are; name them with --data FOLDER{why}")
    if not found.data.exists():
        raise DataError("the data that the run was trained on are no longer there", found.data, fix="Say where they are with --data FOLDER")
    return found.data


def _measure(found: RunFolder, card: Mapping[str, Any], settings: Settings, material: Material, split: str, device: str) -> TrainedModel:
    embedder = Embedder.load(found.bundle / "model", device)
    decision: Decision | None = decision_of(dict(card), found.bundle)
    before = _measure_untrained(found, settings, embedder, material, split, device)
    vectors = embed(embedder, material, split)
    reranker = load_reranker(card, found.bundle)
    is_fitted_here = is_fitted_on(card, material, split, settings)
    first = None if reranker else decision
    single = measure_split(vectors, material, split, settings, "trained", decision=first, is_fitted_here=is_fitted_here)
    after = single
    if reranker is not None:
        vectors = add_second_stage(vectors, reranker, material, split)
        after = measure_split(vectors, material, split, settings, "re-ranked", decision=decision, is_fitted_here=is_fitted_here)
    parts = (before, after, decision, is_fitted_here, found.metrics, single if reranker else None)
    return TrainedModel(material, split, settings, embedder, *parts)


def _measure_untrained(
    found: RunFolder, settings: Settings, embedder: Embedder, material: Material, split: str, device: str
) -> Measurement | None:
    """Measure the model that training began with: its projection is the bundle's, and its towers follow from the settings.

    Where the text encoder was trained along, the encoders of the beginning are needed too; None where they are not to be had.
    """
    untrained = start_embedder(embedder.projection, settings, device)
    if untrained.discriminator.shape != embedder.discriminator.shape:
        raise BundleError(f"the model of {found.bundle} does not have the shape that its settings ask for; copy or build the bundle again")
    if settings.features.train_encoder != "none":
        try:
            material = load_material(material.dataset, make_encoders(settings.features, device), [split])
        except (EncoderError, MissingExtraError) as error:
            log.warning("the untrained model cannot be measured: %s", error)
            return None
    return measure_split(embed(untrained, material, split), material, split, settings, "zero-shot")


def _finished(found: RunFolder, model: TrainedModel, page: ReportData) -> ReportData:
    dataset, after = model.material.dataset, model.after.result
    card = found.card or {}
    remarks = [*found.remarks, *_changes(found, model)]
    facts = {
        "data": dataset.name,
        "split": f"{model.split}, {len(dataset.splits[model.split]):,} mentions",
        "entities": f"{len(dataset.entities):,}",
        "negatives": model.settings.negatives.sampler,
        "seed": str(model.settings.seed),
        "trained": str(card.get("created", ""))[:10],
        "pgmel": __version__,
    }
    recorded = found.recorded
    before = recorded.get("zero_shot") or (model.before.result if model.before else None)
    trained = recorded.get("trained") or (model.single or model.after).result
    return replace(
        page,
        training=training_curves(found.metrics, found.written or found.settings, before, trained, found.last_step),
        title=f"Run {_name_of(found.path)}",
        summary=f"{after.overall.num_mentions:,} mentions of {dataset.name} ({model.split}) linked to {after.num_entities:,} entities: "
        f"what training made of the untrained model, where it works, and where it fails.",
        notice=" ".join(remarks),
        facts={name: value for name, value in facts.items() if value},
        command=f"pgmel report {found.path}",
        # Pictures have a section of their own.
        data={name: value for name, value in page.data.items() if name != "pictures"} | {"root": str(dataset.root)},
        versions=dict(card.get("versions", page.versions)),
    )


def _changes(found: RunFolder, model: TrainedModel) -> list[str]:
    """Return what is no longer as it was when training ended; it should not be possible unless data or encoders changed."""
    remarks = []
    stages = {"zero_shot": model.before, "trained": model.single or model.after}
    for name, measured in (stages | ({"reranked": model.after} if model.single else {})).items():
        then = found.recorded.get(name)
        if measured is None:
            remarks.append("The untrained model could not be measured, since the encoders that training began with are not at hand.")
            continue
        now = measured.result
        if then is None or then.data.get("split") != model.split or then.protocol != now.protocol:
            continue
        old, new = then.overall, now.overall
        if old.num_mentions != new.num_mentions or abs(old.mrr.value - new.mrr.value) > 1e-3:
            remarks.append(
                f"When training ended, {now.system} had H@1 {old.h_at_1.value:.3f} on {old.num_mentions:,} mentions; here it has "
                f"{new.h_at_1.value:.3f} on {new.num_mentions:,}: data or encoders are no longer those of the training."
            )
    return remarks


def _unfinished(found: RunFolder) -> ReportData:
    rows = found.metrics.rows
    step = rows[-1]["step"]
    settings = {} if found.settings is None else describe_settings(found.settings)
    return ReportData(
        title=f"Run {_name_of(found.path)}",
        summary="Curves only: there is no trained model to look at yet.",
        notice=" ".join([f"This run is not finished: training logged its last row at step {int(step):,}.", *found.remarks]),
        facts={"last step": f"{int(step):,}", "pgmel": __version__},
        command=f"pgmel report {found.path}",
        settings=settings,
        defaults=describe_settings(Settings()) if settings else {},
        training=training_curves(found.metrics, found.settings, None),
    )


def _name_of(run: Path) -> str:
    whole = run.resolve()
    return f"{whole.parent.name}/{whole.name}" if whole.name.startswith("seed") else whole.name
