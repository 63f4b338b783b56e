"""Which curves the report draws, what they are called, which epoch was kept, and whether rows are missing."""

import dataclasses
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from toy_runs import ToyRun

from pgmel.evaluation import CurveChart, EvaluationResult, TrainingCurves
from pgmel.evaluation.report_curves import TrainingView, view_training
from pgmel.files import read_json
from pgmel.settings import Settings, read_settings
from pgmel.training import MetricsFile
from pgmel.workflows.report import report_run
from pgmel.workflows.report.curves import training_curves


def row(step: int, phase: str = "adversarial", epoch: int = 0, mrr: float | str = "", **values: Any) -> dict[str, str]:
    """Return a row of metrics with all columns of a loss."""
    logged = {"discriminator_loss": 0.5, "triplet_loss": 0.1, "dev_h_at_1": mrr, "dev_mrr": mrr} | values
    return {"step": str(step), "phase": phase, "epoch": str(epoch)} | {name: str(value) for name, value in logged.items()}


def settings_of(*overrides: str) -> Settings:
    return read_settings(None, ["training.pretrain_epochs=1", "training.epochs=3", "training.patience=2", *overrides])


@pytest.fixture
def result(toy_run: ToyRun) -> EvaluationResult:
    return EvaluationResult.from_dict(read_json(toy_run.folder / "results.json")["trained"])


def scored(result: EvaluationResult, mrr: float, **changes: Any) -> EvaluationResult:
    """Return figures with another MRR."""
    overall = dataclasses.replace(result.overall, mrr=dataclasses.replace(result.overall.mrr, value=mrr))
    return dataclasses.replace(result, overall=overall, **changes)


def view(curves: TrainingCurves) -> TrainingView:
    found = view_training(curves)
    assert found is not None
    return found


def dev_chart(curves: TrainingCurves) -> CurveChart:
    return next(chart for chart in curves.charts if chart.title == "Scores on dev")


# Policies


@pytest.mark.parametrize(
    ("overrides", "candidates"),
    [
        (("negatives.sampler=generator", "negatives.pool_size=32"), 32),
        (("negatives.sampler=irgan", "negatives.pool_size=32"), 32),
        (("negatives.sampler=kbgan", "negatives.pool_size=32"), 20),
    ],
)
def test_entropy_is_set_against_that_of_a_uniform_choice_among_the_policy_s_candidates(overrides: tuple[str, ...], candidates: int) -> None:
    curves = training_curves(MetricsFile((row(1, policy_entropy=2.9),)), settings_of(*overrides), None)
    chart = next(chart for chart in curves.charts if chart.title == "Entropy of the policy")
    assert chart.level == ("uniform policy", pytest.approx(math.log(candidates)))
    assert f"all {candidates} candidates equally likely" in chart.note


# Losses


@pytest.mark.parametrize(
    ("overrides", "columns", "title", "lines", "folded"),
    [
        (("training.objective=joint",), {"infonce_loss": 0.5}, "Loss: InfoNCE", {"discriminator_loss"}, ["Triplet loss"]),
        (("training.objective=triplet",), {}, "Triplet loss", {"triplet_loss"}, []),
        (
            ("training.objective=triplet", "training.infonce_weight=0.5"),
            {"infonce_loss": 0.8},
            "Loss: triplet and InfoNCE",
            {"discriminator_loss", "triplet_loss", "infonce_loss"},
            [],
        ),
    ],
)
def test_the_loss_that_is_minimised_comes_first(
    overrides: tuple[str, ...], columns: dict[str, float], title: str, lines: set[str], folded: list[str]
) -> None:
    curves = training_curves(MetricsFile((row(1, **columns), row(2, **columns))), settings_of(*overrides), None)
    seen = view(curves)
    assert seen.charts[0].title == title
    assert set(curves.charts[0].lines) == lines
    assert "What is minimised" in seen.charts[0].note
    assert [chart.title for chart in seen.folded] == folded  # and nothing is drawn twice under another name


def test_the_weight_of_infonce_is_said() -> None:
    settings = settings_of("training.objective=triplet", "training.infonce_weight=0.5")
    assert "plus 0.5 times InfoNCE" in training_curves(MetricsFile((row(1, infonce_loss=1),)), settings, None).charts[0].note


def test_without_settings_the_loss_still_comes_first_and_the_parts_are_folded() -> None:
    seen = view(training_curves(MetricsFile((row(1, infonce_loss=0.5),)), None, None))
    assert seen.charts[0].title == "Loss"
    assert {chart.title for chart in seen.folded} == {"infonce_loss", "triplet_loss"}


@pytest.mark.parametrize(("columns", "shown"), [({"generator_loss": -0.1, "reward": 0.4}, True), ({}, False)])
def test_the_generator_s_loss_is_shown_where_one_was_trained(columns: dict[str, float], shown: bool) -> None:
    seen = view(training_curves(MetricsFile((row(1, **columns),)), settings_of(), None))
    assert ("Generator's loss" in [chart.title for chart in seen.charts]) is shown


# Phases


@pytest.mark.parametrize(
    ("settings", "columns", "names"),
    [
        (settings_of("negatives.sampler=hardest"), {}, ["pretraining with the rule hardest", "training with the rule hardest"]),
        (
            settings_of("negatives.sampler=tfidf", "training.pretrain_sampler=softmax"),
            {},
            ["pretraining with the rule softmax", "training with the rule tfidf"],
        ),
        (settings_of("negatives.sampler=generator"), {"generator_loss": 1}, ["pretraining of the discriminator", "the game"]),
        (None, {"generator_loss": 1}, ["pretraining of the discriminator", "the game"]),
        (None, {}, ["pretraining of the discriminator", "training"]),
    ],
)
def test_only_a_game_is_called_a_game(settings: Settings | None, columns: dict[str, float], names: Sequence[str]) -> None:
    rows = (row(1, "pretrain_discriminator"), row(2, **columns))
    assert [phase.name for phase in view(training_curves(MetricsFile(rows), settings, None)).phases] == names


# The epoch that was kept

ROWS = (row(10, "pretrain_discriminator", 0, 0.5), row(20, epoch=0, mrr=0.7), row(30, epoch=1, mrr=0.6), row(40, epoch=2, mrr=0.7))


def test_the_kept_epoch_is_marked_and_named(result: EvaluationResult) -> None:
    curves = training_curves(MetricsFile(ROWS), settings_of("negatives.sampler=tfidf"), scored(result, 0.4), scored(result, 0.7))
    chart = dev_chart(curves)
    assert chart.marker == ("kept", 20.0)  # of two that are alike the first
    assert "those of step 20 (dotted), the end of epoch 1 of training with the rule tfidf" in chart.note
    assert '"trained" on this page means them, not those of the end.' in chart.note
    drawn = next(one for one in view(curves).charts if one.title == "Scores on dev")
    assert drawn.values.startswith("kept 0.7, 0.7; at the end")
    assert 'class="marker"' in drawn.chart


def test_an_untrained_model_that_was_kept_is_said_to_be(result: EvaluationResult) -> None:
    chart = dev_chart(training_curves(MetricsFile(ROWS), settings_of(), scored(result, 0.8), scored(result, 0.8)))
    assert chart.marker == ("kept", 0.0)
    assert "No epoch was better than the untrained model" in chart.note


def test_the_last_epoch_is_said_to_be_the_last(result: EvaluationResult) -> None:
    chart = dev_chart(training_curves(MetricsFile(ROWS[:2]), settings_of(), None, scored(result, 0.7)))
    assert chart.note.endswith("means them, the last ones.")


def test_no_epoch_is_marked_where_none_has_the_figures_of_the_page(result: EvaluationResult) -> None:
    chart = dev_chart(training_curves(MetricsFile(ROWS), settings_of(), None, scored(result, 0.9)))
    assert chart.marker is None
    assert 'none of these points has the MRR of "trained", 0.9' in chart.note


@pytest.mark.parametrize("changes", [{"protocol": "candidates"}, {"data": {"split": "test"}}])
def test_figures_measured_otherwise_are_not_compared_with_the_curve(result: EvaluationResult, changes: dict[str, Any]) -> None:
    other = scored(result, 0.9, **changes)
    curves = training_curves(MetricsFile(ROWS), settings_of(), other, other)
    assert curves.start == {}
    assert dev_chart(curves).marker == ("kept", 20.0)


def test_of_an_unfinished_run_the_best_epoch_so_far_is_marked() -> None:
    chart = dev_chart(training_curves(MetricsFile(ROWS), settings_of(), None))
    assert chart.marker == ("best so far", 20.0)
    assert "were kept" not in chart.note


# Rows that are missing


def faults(result: EvaluationResult, rows: Sequence[dict[str, str]], *overrides: str, last_step: int | None = None) -> tuple[str, ...]:
    settings = settings_of(*overrides)
    return training_curves(MetricsFile(tuple(rows)), settings, scored(result, 0.4), scored(result, 0.7), last_step).faults


def test_rows_up_to_the_last_epoch_lack_nothing(result: EvaluationResult) -> None:
    assert faults(result, ROWS, last_step=40) == ()


@pytest.mark.parametrize("rows", [ROWS[:3], ROWS[:1], (*ROWS[:3], row(35, epoch=2))])
def test_rows_that_end_before_the_last_epoch_are_remarked_on(result: EvaluationResult, rows: Sequence[dict[str, str]]) -> None:
    [fault] = faults(result, rows)
    assert f"that of step {rows[-1]['step']}, is not the end of a training by these settings: the curves end early" in fault


def test_a_later_checkpoint_tells_how_far_training_went(result: EvaluationResult) -> None:
    [fault] = faults(result, ROWS, last_step=1200)
    assert "row is that of step 40, but training went on to step 1,200" in fault


def test_early_stopping_is_an_end(result: EvaluationResult) -> None:
    stopped = (*ROWS[:3], row(40, epoch=2, mrr=0.65))
    assert faults(result, stopped, "training.epochs=9") == ()
    assert len(faults(result, stopped, "training.epochs=9", "training.patience=3")) == 1


def test_a_limit_on_steps_is_an_end(result: EvaluationResult) -> None:
    assert faults(result, ROWS[:3], "training.max_steps=30") == ()


def test_a_run_that_ends_with_pretraining_lacks_nothing(result: EvaluationResult) -> None:
    assert faults(result, ROWS[:1], "training.epochs=0", "negatives.sampler=hardest") == ()


def test_an_unfinished_run_is_not_said_to_lack_rows() -> None:
    assert training_curves(MetricsFile(ROWS[:2]), settings_of(), None, None, 400).faults == ()


def test_the_remark_comes_before_faults_of_lines(result: EvaluationResult) -> None:
    curves = training_curves(MetricsFile(ROWS[:2], ("line 4: cut off",)), settings_of(), None, scored(result, 0.7), 40)
    assert [fault.partition(" ")[0] for fault in curves.faults] == ["its", "line"]


def test_a_real_run_has_the_figures_of_its_kept_epoch_and_no_gap(toy_run: ToyRun) -> None:
    page = report_run(toy_run.folder, toy_run.folder.parent / "curves.html", show_progress=False, remove_gold=0).data
    assert page.training is not None
    assert page.training.faults == ()
    assert dev_chart(page.training).marker == ("kept", float(toy_run.result.result.best_step))


def test_a_real_run_whose_metrics_were_cut_is_remarked_on(toy_run: ToyRun, tmp_path: Path) -> None:
    folder = shutil.copytree(toy_run.folder, tmp_path / "run")
    lines = (folder / "metrics.csv").read_text().splitlines()
    (folder / "metrics.csv").write_text("\n".join(lines[:-1]) + "\n")
    report_run(folder, tmp_path / "page.html", show_progress=False, remove_gold=0)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"but training went on to step {toy_run.result.result.steps}: the curves end early" in text
