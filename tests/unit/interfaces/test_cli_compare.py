"""``pgmel compare`` from the outside."""

import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from toy_matrix import SYSTEMS, write_matrix
from toy_runs import run_cli, start_cli, write_toy


class Place(NamedTuple):
    """A matrix file, the data root, and the folder of the comparison."""

    file: Path
    root: Path
    out: Path

    def arguments(self, *more: object) -> tuple[object, ...]:
        return ("compare", self.file, "--data-root", self.root, "--out", self.out, *more)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    write_toy(tmp_path / "data" / "toy")
    return Place(write_matrix(tmp_path / "matrix.toml", seeds=(0,)), tmp_path / "data", tmp_path / "out")


def test_the_table_names_systems_scores_and_the_files(place: Place) -> None:
    outcome = run_cli(*place.arguments())
    assert outcome.code == 0, outcome.err
    for part in ("Toy: equal updates, dev", "untrained", "reference", "uniform", "2 of 2 runs finished", str(place.out / "comparison.md")):
        assert part in outcome.out, part
    assert "0 of 2 runs finished; 2 to do now" in outcome.err
    again = run_cli(*place.arguments())
    assert "2 of 2 runs finished; 0 to do now" in again.err
    assert again.out == outcome.out


def test_report_only_prints_the_same_table(place: Place) -> None:
    first = run_cli(*place.arguments())
    assert run_cli("compare", place.file, "--out", place.out, "--report-only").out == first.out


def test_failed_runs_give_an_exit_code_after_the_table(place: Place) -> None:
    write_matrix(place.file, {**SYSTEMS, "bad": ("features.text_encoder=minilmm",)}, seeds=(0,))
    outcome = run_cli(*place.arguments())
    assert outcome.code == 1
    assert "uniform" in outcome.out
    assert "failed: bad/toy seed 0" in outcome.out
    assert "Error: 1 runs failed; the others are in the tables. Run the same command to try them again" in outcome.err


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--seeds", "0,x"), 2, "--seeds must be different whole numbers from 0, separated by commas, such as 0,1,2; got '0,x'"),
        (("--seeds", "1,1"), 2, "--seeds must be different whole numbers"),
        (("--jobs", "0"), 2, "--jobs must be at least 1, got 0"),
        (("--only", "unifrm/toy"), 2, "did you mean uniform/toy?"),
        (("--set", "training.margn=1"), 2, "did you mean training.margin?"),
        (("--test", "--report-only"), 2, "--test and --report-only exclude each other"),
        (("--test",), 2, "runs are not finished"),
    ],
)
def test_bad_input_is_told_clearly(place: Place, more: tuple[str, ...], code: int, message: str) -> None:
    outcome = run_cli(*place.arguments(*more))
    assert outcome.code == code
    assert message in " ".join(outcome.err.split())
    assert "bug" not in outcome.err
    assert not (place.out / "runs").exists()


@pytest.mark.parametrize("under", ["", "deeper"])
def test_a_file_in_the_way_of_the_folder_is_refused(place: Place, under: str) -> None:
    outcome = run_cli("compare", place.file, "--data-root", place.root, "--out", place.file / under)
    assert outcome.code == 2
    assert f"--out {place.file / under} cannot be written: {place.file} is a file; name another folder" in outcome.err


def test_ctrl_c_says_what_to_do_and_the_same_command_goes_on(place: Place) -> None:
    started = start_cli(*place.arguments("--set", "training.epochs=4000"))
    metrics = place.out / "runs" / "toy" / "reference" / "seed-0" / "metrics.csv"
    while started.poll() is None and not (metrics.exists() and metrics.read_text().count("\n") > 2):
        time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 130, err
    assert "run the same command again to go on" in " ".join(err.split())
    assert list((metrics.parent / "checkpoints").iterdir())
    assert "Traceback" not in err
    assert not out
