"""metrics.csv and TensorBoard."""

import csv
from pathlib import Path

import pytest

from pgmel.training import METRICS, MetricsLog


def test_rows_come_back_and_absent_values_are_empty(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, tensorboard=False)
    log.write(1, {"phase": "adversarial", "triplet_loss": 0.123456789})
    log.write(2, {"dev_mrr": 1.0})
    rows = MetricsLog.read(tmp_path)
    assert list(rows[0]) == list(METRICS)
    assert [row["step"] for row in rows] == ["1", "2"]
    assert (rows[0]["triplet_loss"], rows[0]["dev_mrr"], rows[1]["dev_mrr"]) == ("0.123457", "", "1")


def test_a_metric_without_documentation_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mystery"):
        MetricsLog(tmp_path, 0, tensorboard=False).write(1, {"mystery": 1.0})


def test_every_metric_is_explained() -> None:
    assert all(text.endswith(".") and len(text) > 20 for text in METRICS.values())


def test_going_on_drops_rows_of_later_steps_and_starting_anew_drops_all(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, tensorboard=False)
    for step in (1, 2, 3):
        log.write(step, {"triplet_loss": float(step)})
    MetricsLog(tmp_path, 2, tensorboard=False).write(3, {"triplet_loss": 9.0})
    assert [(row["step"], row["triplet_loss"]) for row in MetricsLog.read(tmp_path)] == [("1", "1"), ("2", "2"), ("3", "9")]
    MetricsLog(tmp_path, 0, tensorboard=False)
    assert MetricsLog.read(tmp_path) == []


def test_a_line_cut_off_by_a_crash_is_dropped(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, tensorboard=False)
    log.write(1, {"triplet_loss": 1.0})
    log.write(2, {"triplet_loss": 2.0})
    file = tmp_path / "metrics.csv"
    file.write_text(file.read_text().rstrip("\r\n")[:-12])
    MetricsLog(tmp_path, 5, tensorboard=False).write(6, {})
    with file.open(newline="") as handle:
        assert [row["step"] for row in csv.DictReader(handle)] == ["1", "6"]


def test_a_line_with_too_many_columns_is_no_obstacle(tmp_path: Path) -> None:
    MetricsLog(tmp_path, 0, tensorboard=False).write(1, {"triplet_loss": 1.0})
    with (tmp_path / "metrics.csv").open("a") as handle:
        handle.write("2" + "," * 40 + "\n")
    MetricsLog(tmp_path, 5, tensorboard=False)
    assert "1" in {row["step"] for row in MetricsLog.read(tmp_path)}


def test_reading_where_nothing_was_written_gives_nothing(tmp_path: Path) -> None:
    assert MetricsLog.read(tmp_path / "none") == []


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path, 0, tensorboard=True)
    log.write(1, {"phase": "adversarial", "triplet_loss": 0.5, "dev_mrr": 0.25})
    log.close()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]} == {
        "triplet_loss": [(1, 0.5)],
        "dev_mrr": [(1, 0.25)],
    }
