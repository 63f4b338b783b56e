"""Results to JSON and back, and as tables for the terminal."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pgmel.errors import DataError
from pgmel.evaluation import EvaluationResult, Metrics, Ranks, measure, measure_nil, read_result, render_slices, render_table


def metrics(*ranks: float) -> Metrics:
    values = np.array(ranks, np.float64)
    return measure(Ranks(values, values, values, np.zeros(len(ranks), np.float32)), 100, 0.95, np.random.default_rng(0))


@pytest.fixture
def result() -> EvaluationResult:
    return EvaluationResult(
        system="trained",
        protocol="kb",
        overall=metrics(1, 2, 3),
        num_entities=18_880,
        slices={"seen": metrics(1, 2), "unseen": metrics(3)},
        excluded={"gold is NIL": 2},
        nil=measure_nil([1, 0], [0, 0], [0, 1], 100, 0.95, np.random.default_rng(0), threshold=0.4),
        data={"name": "demo", "split": "dev"},
        settings={"training": {"margin": 0.2}},
        seeds=(0,),
        versions={"pgmel": "0.1"},
    )


def text_of(table: object, width: int = 140) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_a_result_survives_json(result: EvaluationResult, tmp_path: Path) -> None:
    result.save(tmp_path / "result.json")
    assert read_result(tmp_path / "result.json") == result


def test_the_json_is_plain_and_named_by_fields(result: EvaluationResult, tmp_path: Path) -> None:
    result.save(tmp_path / "result.json")
    value = json.loads((tmp_path / "result.json").read_text())
    assert value["overall"]["h_at_1"]["value"] == pytest.approx(1 / 3)
    assert value["nil"]["precision"] is None
    assert value["slices"]["unseen"]["num_mentions"] == 1
    assert json.loads(json.dumps(result.overall.to_dict())) == value["overall"]


def test_a_file_that_is_no_result_is_refused_by_name(tmp_path: Path, result: EvaluationResult) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"format": 7}')
    with pytest.raises(DataError, match=r"other\.json: .*found format 7"):
        read_result(path)
    path.write_text("[]")
    with pytest.raises(DataError, match="not an evaluation result"):
        read_result(path)
    value = result.to_dict()
    del value["overall"]["mrr"]
    path.write_text(json.dumps(value))
    with pytest.raises(DataError, match=r"missing required field `mrr`.*overall"):
        read_result(path)


def test_the_table_shows_values_intervals_and_how_they_were_measured() -> None:
    text = text_of(render_table({"zero-shot": metrics(1, 2), "trained": metrics(1, 1)}, title="Demo"))
    for part in (
        "Demo",
        "zero-shot",
        "trained",
        "H@10",
        "Mean rank",
        "0.500",
        "0.000-1.000",
        "1.5",
        "2 mentions, realistic ties, 95% bootstrap",
    ):
        assert part in text


def test_the_best_value_of_a_metric_is_bold_and_the_least_mean_rank_is_best() -> None:
    table = render_table({"a": metrics(1, 2), "b": metrics(1, 1)})
    cells = {column.header: list(column._cells) for column in table.columns}
    best, worse = (dict(zip(cells["metric"], cells[name], strict=True)) for name in ("b", "a"))
    assert not worse["H@1"].startswith("[bold]")
    assert best["H@1"].startswith("[bold]1.000")
    assert not worse["Mean rank"].startswith("[bold]")
    assert best["Mean rank"].startswith("[bold]1.0")


def test_names_with_brackets_are_shown_not_read_as_markup() -> None:
    text = text_of(render_table({"[red]mine[/red]": metrics(1)}, title="[x]"))
    assert "[red]mine[/red]" in text
    assert "[x]" in text


def test_slices_stand_below_each_other_with_their_counts() -> None:
    text = text_of(render_slices({"before": {"seen": metrics(1, 2, 2)}, "after": {"seen": metrics(1, 1, 2), "unseen": metrics(2)}}))
    lines = [line for line in text.splitlines() if "gold" in line]
    assert "gold seen in training" in lines[0]
    assert "0.333" in lines[0]
    assert "0.667" in lines[0]
    assert "gold not seen in training" in lines[1]


def test_an_empty_table_can_be_drawn() -> None:
    assert "H@1" in text_of(render_table({}))
