"""``pgmel evaluate`` from the outside."""

import shutil
from pathlib import Path

import pytest
from toy_runs import Outcome, ToyRun, read_lines, run_cli, write_lines

from pgmel.evaluation import EvaluationResult, read_result
from pgmel.files import read_json


def evaluate(run: ToyRun, *options: object, width: int = 200) -> Outcome:
    return run_cli("evaluate", "--bundle", run.folder / "bundle", "--data", run.data, *options, width=width)


def test_figures_slices_nil_and_ties_are_shown(toy_run: ToyRun) -> None:
    outcome = evaluate(toy_run)
    assert outcome.code == 0, outcome.err
    parts = ["toy, dev, 30 entities", "H@1", "with picture", "5 mentions without an entity)", "5 mentions were not ranked: gold is NIL"]
    for part in [*parts, "of 30 mentions decided rightly", "H@1 by rule for ties: realistic 0.", "optimistic", "pessimistic"]:
        assert part in outcome.out, part
    assert "Interval(" not in outcome.out


def test_figures_with_removed_golds_are_shown_when_asked(toy_run: ToyRun) -> None:
    outcome = evaluate(toy_run, "--remove-gold", 0.4)
    found = EvaluationResult.from_dict(evaluate(toy_run, "--remove-gold", 0.4, "--json").json()).removed_gold
    assert found is not None
    assert f"With 40% of the gold entities ({found.num_removed}) removed from the KB, cross-fitted over 5 parts" in outcome.out
    assert f"area under the risk-coverage curve {found.risk.aurc.format()}" in outcome.out
    assert found.reliability.error_interval is not None
    assert f"Expected calibration error {found.reliability.error_interval.format()} over 10 bins" in outcome.out
    assert f"{found.nil.num_nil} mentions without an entity" in outcome.out
    assert "removed from the KB" not in evaluate(toy_run).out


def test_nothing_is_cut_off_in_a_narrow_terminal(toy_run: ToyRun) -> None:
    assert "…" not in evaluate(toy_run, width=80).out


def test_json_is_a_result_and_nothing_else(toy_run: ToyRun) -> None:
    result = EvaluationResult.from_dict(evaluate(toy_run, "--json").json())
    assert toy_run.result.trained is not None
    assert result.overall == toy_run.result.trained.result.overall


def test_the_result_is_written_too_when_asked(toy_run: ToyRun, tmp_path: Path) -> None:
    found = evaluate(toy_run, "--split", "test", "--out", tmp_path / "results" / "test.json", "--json").json()
    assert read_json(tmp_path / "results" / "test.json") == found
    assert read_result(tmp_path / "results" / "test.json").data["split"] == "test"


def test_candidate_lists_are_ranked_when_asked(toy_run: ToyRun, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_run.data, data)
    write_lines(data / "dev.jsonl", [row | {"candidates": ["E00", "E01"]} for row in read_lines(data / "dev.jsonl")])
    outcome = run_cli("evaluate", "--bundle", toy_run.folder / "bundle", "--data", data, "--protocol", "candidates")
    assert "the candidate lists hold the gold entity for" in outcome.out
    assert "NIL below" not in outcome.out


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--split", "valid"), 3, "it has: train, dev, test"),
        (("--protocol", "candidates"), 3, "no candidate lists"),
        (("--protocol", "list"), 2, "--protocol"),
        (("--bundle", "{tmp}/none"), 4, "the bundle {tmp}/none does not exist"),
        (("--bundle", "{tmp}"), 4, "{tmp} is not a bundle"),
        (("--data", "{tmp}/none"), 3, "{tmp}/none: the data set does not exist"),
        (("--layout", "generc"), 2, "did you mean 'generic'"),
        (("--device", "abacus"), 2, "'abacus' cannot be used"),
        (("--out", "{tmp}/file/result.json"), 1, "Error: {tmp}/file"),
    ],
)
def test_bad_input_is_told_clearly(toy_run: ToyRun, tmp_path: Path, options: tuple[str, ...], code: int, message: str) -> None:
    (tmp_path / "file").write_text("mine")
    outcome = evaluate(toy_run, *(option.format(tmp=tmp_path) for option in options))
    assert outcome.code == code
    assert message.format(tmp=tmp_path) in outcome.err
    assert "Traceback" not in outcome.err
    assert "bug" not in outcome.err
    assert outcome.out == ""
