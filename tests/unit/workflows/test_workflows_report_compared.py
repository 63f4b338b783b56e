"""The report of a run of a comparison, which keeps no bundle."""

import itertools
import re
import shlex
import shutil
from pathlib import Path

import pytest
from toy_matrix import write_matrix
from toy_runs import run_cli

from pgmel.errors import BundleError, DataError, SettingError
from pgmel.evaluation import EvaluationResult
from pgmel.files import read_json, write_json
from pgmel.settings import read_settings
from pgmel.workflows.compare import compare
from pgmel.workflows.compare.record import read_ranks, read_record
from pgmel.workflows.report import report_run


@pytest.fixture(scope="module")
def comparison(toy_data: Path, toy_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("compared")
    shutil.copytree(toy_data, base / "data" / "toy")
    matrix = write_matrix(base / "matrix.toml", systems={"played": ()}, overrides=("training.log_every=2",))
    compare(matrix, base / "out", base / "data", seeds=[3], overrides=[f"features.cache_dir={toy_cache}"], show_progress=False)
    return base / "out"


@pytest.fixture
def cell(comparison: Path, tmp_path: Path) -> Path:
    """A copy of a finished run that a test may change."""
    return Path(shutil.copytree(comparison / "runs" / "toy" / "played" / "seed-3", tmp_path / "seed-3"))


def text_of(run: Path) -> str:
    return report_run(run, run.parent / "page.html").file.read_text(encoding="utf-8")


def test_a_run_of_a_comparison_shows_all_that_it_keeps(cell: Path) -> None:
    written = report_run(cell)
    assert (written.is_finished, written.has_bundle) == (True, False)
    text = written.file.read_text(encoding="utf-8")
    assert set(re.findall(r'<section id="(\w+)"', text)) == {"systems", "slices", "ranks", "training", "run"}
    assert "not finished" not in text
    page = written.data
    recorded = {name: EvaluationResult.from_dict(part) for name, part in read_json(cell / "results.json").items()}
    assert [system.metrics for system in page.systems] == [recorded["zero_shot"].overall, recorded["trained"].overall]
    assert page.systems[-1].metrics.h_at_1.low is not None
    ranks = read_ranks(cell / "ranks.npz")
    assert [series.ranks.tolist() for series in page.ranks] == [ranks.zero_shot.tolist(), ranks.trained.tolist()]
    assert page.comparison is not None
    gain = recorded["trained"].overall.h_at_1.value - recorded["zero_shot"].overall.h_at_1.value
    assert page.comparison.difference.value == pytest.approx(gain)
    assert page.comparison.num_groups == recorded["trained"].overall.num_groups
    assert page.training is not None
    assert page.training.faults == ()
    assert page.title == "Run toy/played/seed-3"


def test_it_says_what_it_cannot_show_and_how_to_get_it(cell: Path) -> None:
    page = report_run(cell).data
    assert "keeps figures, ranks and curves, but no bundle" in page.notice
    [train] = [shlex.split(line) for line in page.command.splitlines() if line.startswith("pgmel train")]
    overrides = [part for flag, part in itertools.pairwise(train) if flag == "--set"]
    settings = read_settings(None, overrides)
    assert settings.model_dump(mode="json") == read_json(cell / "settings.json")  # the command trains with the very same settings
    assert train[train.index("--data") + 1] == "path/to/toy"
    assert page.command.splitlines()[-1] == f"pgmel report {train[train.index('--out') + 1]}"


def test_the_kept_epoch_is_that_of_the_record(cell: Path) -> None:
    training = report_run(cell).data.training
    record = read_record(cell)
    assert training is not None
    assert record is not None
    marker = next(chart.marker for chart in training.charts if chart.title == "Scores on dev")
    assert marker is not None
    taught = sum(row["phase"] == "pretrain_generator" and int(row["step"]) <= marker[1] for row in training.rows)
    assert marker[1] - 2 * taught == pytest.approx(record.best_updates, abs=1)  # two steps to a row


@pytest.mark.parametrize("content", [None, b"PK"])
def test_without_ranks_the_figures_are_still_there(cell: Path, content: bytes | None) -> None:
    (cell / "ranks.npz").unlink()
    if content is not None:
        (cell / "ranks.npz").write_bytes(content)
    page = report_run(cell).data
    assert "neither a spread of ranks nor a paired test" in page.notice
    assert (page.ranks, page.comparison) == ((), None)
    assert len(page.systems) == 2


def test_ranks_of_other_mentions_are_not_shown(cell: Path) -> None:
    values = read_json(cell / "results.json")
    for part in values.values():
        part["overall"]["num_mentions"] += 1
    write_json(cell / "results.json", values)
    page = report_run(cell).data
    assert "its ranks are of 25 mentions, the figures of 26" in page.notice
    assert page.ranks == ()


def test_a_record_of_another_version_is_said_to_be_one(cell: Path) -> None:
    write_json(cell / "run.json", {"format": 99})
    page = report_run(cell).data
    assert "run.json is damaged, or of another version" in page.notice
    assert page.title == "Run seed-3"
    assert len(page.systems) == 2


def test_another_split_cannot_be_shown(cell: Path) -> None:
    with pytest.raises(SettingError, match=r"its report is about dev, not test; `pgmel compare --test`"):
        report_run(cell, split="test")
    assert report_run(cell, split="dev").is_finished


def test_damaged_results_are_named(cell: Path) -> None:
    (cell / "results.json").write_text("{}")
    with pytest.raises(DataError, match=r"results\.json: the file lacks the figures of the trained model"):
        report_run(cell)


def test_a_run_that_is_not_finished_shows_its_curves_and_settings(cell: Path) -> None:
    write_json(cell / "started.json", {"settings": read_json(cell / "settings.json")})
    for name in ("run.json", "results.json", "settings.json", "ranks.npz"):
        (cell / name).unlink()
    written = report_run(cell)
    assert not written.is_finished
    assert written.data.settings["seed"] == 3
    assert "settings" not in written.data.notice


def test_the_folder_of_the_comparison_is_no_run_and_it_is_said_what_is(comparison: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"comparison\.html; name one of its runs, .*runs/DATA/SYSTEM/seed-N"):
        report_run(comparison, tmp_path / "page.html")


def test_the_command_line_says_that_there_are_no_errors_to_browse(cell: Path) -> None:
    outcome = run_cli("report", cell)
    assert outcome.code == 0, outcome.err
    assert re.search(r"H@1 [01]\.\d{3} untrained, [01]\.\d{3} trained", outcome.out)
    assert "keeps no bundle: there are no errors to browse" in outcome.out
    assert "not finished" not in outcome.out
