"""The report of a run of ``pgmel compare``, which keeps figures, ranks and curves, but no bundle."""

import shlex
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from pgmel.errors import DataError, SettingError
from pgmel.evaluation import EvaluationResult, RankSeries, ReportData, SystemScores, compare_paired
from pgmel.settings import Settings
from pgmel.version import __version__
from pgmel.workflows.compare.record import RANKS_FILE, RankTable, RunRecord, read_ranks, read_record
from pgmel.workflows.report.collect import describe_settings, slice_scores
from pgmel.workflows.report.curves import training_curves
from pgmel.workflows.report.folder import RECORD, RunFolder

__all__ = ["compared_page"]

_BUDGETS: Final = {"updates": "equal updates", "wall": "equal wall time"}

NO_BUNDLE: Final = (
    "This is a run of a comparison. pgmel compare keeps figures, ranks and curves, but no bundle, so there are no links and no errors to "
    "browse, no probabilities, no NIL decision and no gates; the commands under What was run get them."
)


def compared_page(found: RunFolder, split: str | None) -> ReportData:
    """Return what there is to show of a finished run of a comparison.

    Args:
        found: Its folder.
        split: The split that is asked for; only the one that training measured can be shown.

    Raises:
        SettingError: If another split is asked for.
    """
    settings = found.settings or Settings()
    trained = found.recorded["trained"]
    measured = str(trained.data.get("split", settings.data.dev_split))
    if split is not None and split != measured:
        raise SettingError(
            f"{found.path} is a run of a comparison, which keeps no bundle: its report is about {measured}, not {split}; "
            f"`pgmel compare --test` measures the runs of a comparison on test"
        )
    results = [found.recorded[name] for name in ("zero_shot", "trained") if name in found.recorded]
    remarks = list(found.remarks)
    record = _read_record(found, remarks)
    ranks = _read_ranks(found, results, remarks)
    names = [result.system for result in results]
    return ReportData(
        title=_title(found, record),
        summary=f"{trained.overall.num_mentions:,} mentions of {trained.data.get('name', 'the data')} ({measured}) linked to "
        f"{trained.num_entities:,} entities: what training made of the untrained model.",
        notice=" ".join([NO_BUNDLE, *remarks]),
        facts=_facts(trained, record, measured),
        command=_commands(found, trained, record),
        data={name: value for name, value in trained.data.items() if name != "pictures"},
        settings=trained.settings,
        defaults=describe_settings(Settings()),
        versions=trained.versions,
        systems=tuple(SystemScores(result.system, result.overall) for result in results),
        slices=slice_scores(results),
        training=training_curves(found.metrics, found.written, found.recorded.get("zero_shot"), trained),
        notes=_notes(trained, measured),
        **_compare(ranks, names, settings),
    )


def _read_record(found: RunFolder, remarks: list[str]) -> RunRecord | None:
    try:
        return read_record(found.path)
    except DataError as error:
        remarks.append(f"{RECORD} is damaged, or of another version: {str(error).rstrip('.')}.")
        return None


def _read_ranks(found: RunFolder, results: list[EvaluationResult], remarks: list[str]) -> RankTable | None:
    """Return the ranks of the mentions; None where they cannot be had, or are not of the mentions that the figures are of."""
    file = found.path / RANKS_FILE
    try:
        ranks = read_ranks(file)
        counts = {len(ranks.trained), len(ranks.zero_shot), len(ranks.groups), *(result.overall.num_mentions for result in results)}
        if len(counts) > 1:
            raise DataError(f"its ranks are of {len(ranks.trained):,} mentions, the figures of {results[-1].overall.num_mentions:,}", file)
    except DataError as error:
        remarks.append(f"There is neither a spread of ranks nor a paired test: {str(error).rstrip('.')}.")
        return None
    return ranks


def _compare(ranks: RankTable | None, names: list[str], settings: Settings) -> dict[str, Any]:
    """Return the spread of ranks and the paired test, where there are ranks."""
    if ranks is None:
        return {}
    columns = (ranks.zero_shot, ranks.trained)[-len(names) :]
    series = tuple(RankSeries(name, column) for name, column in zip(names, columns, strict=True))
    if len(names) < 2:
        return {"ranks": series}
    hits = (ranks.zero_shot <= 1, ranks.trained <= 1)
    rng = np.random.default_rng(settings.seed)
    return {"ranks": series, "comparison": compare_paired(*hits, rng, ranks.groups, confidence=settings.evaluation.confidence)}


def _title(found: RunFolder, record: RunRecord | None) -> str:
    return f"Run {found.path.resolve().name}" if record is None else f"Run {record.data}/{record.system}/seed-{record.seed}"


def _facts(trained: EvaluationResult, record: RunRecord | None, split: str) -> Mapping[str, str]:
    facts = {
        "data": str(trained.data.get("name", "")),
        "split": f"{split}, {trained.overall.num_mentions:,} mentions ranked",
        "entities": f"{trained.num_entities:,}",
    }
    if record is not None:
        facts |= {
            "system": record.system,
            "budget": _BUDGETS.get(record.budget, record.budget),
            "updates": f"{record.updates:,}",
            "seed": str(record.seed),
            "trained": record.finished[:10],
        }
    return {name: value for name, value in (facts | {"pgmel": __version__}).items() if value}


def _commands(found: RunFolder, trained: EvaluationResult, record: RunRecord | None) -> str:
    """Return the commands that make this page, and a run with a bundle by the same settings."""
    lines = [f"pgmel report {shlex.quote(str(found.path))}"]
    if found.settings is None:
        return lines[0]
    name = str(trained.data.get("name", "")) or "data"
    data = found.data if found.data is not None else f"path/to/{name}"
    out = "runs/" + "-".join([name, *([record.system] if record else []), f"seed-{found.settings.seed}"])
    changes = " ".join(f"--set {shlex.quote(change)}" for change in _changes(found.settings))
    lines += ["", "# the same training again, with a bundle, and its report with links and errors to browse"]
    lines.append(f"pgmel train --data {shlex.quote(str(data))} --out {shlex.quote(out)} {changes}".rstrip())
    return "\n".join([*lines, f"pgmel report {shlex.quote(out)}"])


def _changes(settings: Settings) -> list[str]:
    """Return what differs from the defaults, as overrides for the command line."""
    values, default = (_flatten(describe_settings(one)) for one in (settings, Settings()))
    changed = {key: value for key, value in values.items() if value not in (None, default[key]) and key != "data.path"}
    return [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in changed.items()]


def _flatten(settings: Mapping[str, object]) -> dict[str, object]:
    groups = {name: value if isinstance(value, Mapping) else {"": value} for name, value in settings.items()}
    return {f"{name}.{key}".rstrip("."): value for name, group in groups.items() for key, value in group.items()}


def _notes(trained: EvaluationResult, split: str) -> tuple[str, ...]:
    notes = [f"{count:,} mentions were not ranked: {reason}." for reason, count in trained.excluded.items()]
    return (*notes, f"Early stopping has read the split {split}, so figures on it are slightly too good.")
