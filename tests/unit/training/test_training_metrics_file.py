"""Reading ``metrics.csv`` as it is, faults and all."""

from pathlib import Path

import pytest

from pgmel.errors import DataError
from pgmel.training import METRICS, MetricsFile, MetricsLog, read_metrics


def read(tmp_path: Path, text: str | bytes) -> MetricsFile:
    file = tmp_path / "metrics.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_metrics(file)


def test_what_training_writes_is_read_without_a_fault(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, tensorboard=False)
    log.write(1, {"phase": "adversarial", "epoch": 0, "triplet_loss": 0.25})
    log.write(2, {"phase": "adversarial", "epoch": 0, "dev_mrr": 1e-9})
    log.close()
    found = read_metrics(tmp_path / "metrics.csv")
    assert found.faults == ()
    assert [row["step"] for row in found.rows] == ["1", "2"]
    assert list(found.rows[0]) == list(METRICS)
    assert float(found.rows[0]["triplet_loss"]) == 0.25
    assert found.rows[1]["triplet_loss"] == ""


def test_columns_of_other_versions_are_kept(tmp_path: Path) -> None:
    assert read(tmp_path, "novel,step\n0.5,3\n").rows == ({"novel": "0.5", "step": "3"},)


def test_a_file_of_windows_reads_the_same(tmp_path: Path) -> None:
    assert read(tmp_path, "step,loss\r\n1,0.5\r\n\r\n") == MetricsFile(({"step": "1", "loss": "0.5"},), ())


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("3", "line 3: its cells are 1, the columns are 2; the line is left out"),
        ("3,0.5,7", "line 3: its cells are 3, the columns are 2; the line is left out"),
        ('3,"0.5', "line 3: its cells cannot be told apart, the columns are 2; the line is left out"),
        ("x,0.5", "line 3: step 'x' is no whole number; the line is left out"),
        (",0.5", "line 3: step '' is no whole number; the line is left out"),
        ("9" * 5000 + ",0.5", "line 3: step '" + "9" * 20 + "' is no whole number; the line is left out"),
        ("1,0.5", "line 3: step 1 comes after step 2; the line is left out"),
        ("2,0.5", "line 3: step 2 comes after step 2; the line is left out"),
    ],
)
def test_a_faulty_line_is_left_out_and_named(tmp_path: Path, line: str, fault: str) -> None:
    found = read(tmp_path, f"step,loss\n2,0.25\n{line}\n4,0.125\n")
    assert found.faults == (fault,)
    assert [row["step"] for row in found.rows] == ["2", "4"]


@pytest.mark.parametrize("cell", ["nan", "inf", "abc", "0·5"])
def test_a_faulty_cell_is_left_empty_and_named(tmp_path: Path, cell: str) -> None:
    found = read(tmp_path, f"step,loss,dev\n2,{cell},0.5\n")
    assert found.rows == ({"step": "2", "loss": "", "dev": "0.5"},)
    assert found.faults == (f"line 2: loss {cell!r} is no finite number; the cell is left empty",)


def test_bytes_that_are_no_text_spoil_their_cell_only(tmp_path: Path) -> None:
    found = read(tmp_path, b"step,loss\n1,0.\xff5\n2,0.5\n")
    assert [row["loss"] for row in found.rows] == ["", "0.5"]
    assert len(found.faults) == 1


@pytest.mark.parametrize("text", ["", "\n", "1,2\n", b"\x00\x01\x02", '"step'])
def test_a_file_without_the_names_of_its_columns_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with pytest.raises(DataError, match=r"metrics\.csv, line 1: the first line does not name the columns"):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metrics\.csv: the file does not exist"):
        read_metrics(tmp_path / "metrics.csv")
    with pytest.raises(DataError, match="cannot be read"):
        read_metrics(tmp_path)
