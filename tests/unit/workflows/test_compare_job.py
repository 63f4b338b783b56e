"""Whole comparisons on the toy world: what is run, kept, run again, and shown."""

import csv
import json
import logging
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from toy_matrix import SYSTEMS, write_matrix
from toy_runs import read_lines, write_lines

from pgmel.datasets import load_dataset
from pgmel.datasets.derived import DERIVED_FILE, derive_split, write_derived
from pgmel.errors import DataError, SettingError
from pgmel.evaluation import ComparisonRow
from pgmel.files import read_json, write_json
from pgmel.settings import read_settings
from pgmel.training import TrainingInterruptedError
from pgmel.workflows.compare import CompareResult, compare, pool
from pgmel.workflows.compare.fingerprint import fingerprint_data
from pgmel.workflows.compare.record import (
    RankTable,
    RunRecord,
    changed_settings,
    portable,
    read_curve,
    read_phases,
    read_ranks,
    read_record,
    write_ranks,
)
from pgmel.workflows.compare.single import Bench, Task

BOTH = ("updates", "wall")
LEARNING = ("model.whitening=0", "training.learning_rate=3e-3")
"""Makes even a few steps on the toy world better than none."""


class Done(NamedTuple):
    """A finished comparison: its matrix file, folder, data root, and what it returned."""

    file: Path
    out: Path
    root: Path
    result: CompareResult

    def folder(self, system: str = "reference", seed: str = "0") -> Path:
        return self.out / "runs" / "toy" / system / f"seed-{seed}"

    def record(self, system: str = "reference", seed: str = "0") -> RunRecord:
        record = read_record(self.folder(system, seed))
        assert record is not None
        return record

    def again(self, **options: object) -> CompareResult:
        return compare(self.file, self.out, self.root, show_progress=False, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(toy_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    base = tmp_path_factory.mktemp("compare")
    shutil.copytree(toy_data, base / "data" / "toy")
    file = write_matrix(base / "matrix.toml", budgets=("updates", "wall"), overrides=LEARNING)
    result = compare(file, base / "out", base / "data", show_progress=False)
    return Done(file, base / "out", base / "data", result)


@pytest.fixture
def done(finished: Done, tmp_path: Path) -> Done:
    shutil.copytree(finished.out, tmp_path / "out")
    shutil.copy(finished.file, tmp_path / "matrix.toml")
    return finished._replace(out=tmp_path / "out", file=tmp_path / "matrix.toml")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the cells that are run from now on."""
    names: list[str] = []
    run = pool.run_cell

    def note(task: Task, bench: Bench, show_progress: bool) -> RunRecord:
        names.append(task.cell.name)
        return run(task, bench, show_progress)

    monkeypatch.setattr(pool, "run_cell", note)
    return names


# What a run leaves behind


def test_a_run_keeps_figures_ranks_curves_and_weights_and_nothing_else(finished: Done) -> None:
    assert {path.name for path in finished.folder().iterdir()} == {
        "run.json",
        "results.json",
        "settings.json",
        "metrics.csv",
        "ranks.npz",
        "best.safetensors",
    }
    assert not [*finished.out.rglob("checkpoints"), *finished.out.rglob("bundle")]


def test_the_record_agrees_with_the_ranks_and_the_results(finished: Done) -> None:
    record, ranks = finished.record(), read_ranks(finished.folder() / "ranks.npz")
    results = read_json(finished.folder() / "results.json")
    assert record.num_mentions == len(ranks.trained) == 25
    for stage, values in (("trained", ranks.trained), ("zero_shot", ranks.zero_shot)):
        assert getattr(record, stage)["h_at_1"] == pytest.approx(np.mean(values <= 1))
        assert getattr(record, stage)["mrr"] == pytest.approx(np.mean(1 / values))
        assert results[stage]["overall"]["mrr"]["value"] == pytest.approx(np.mean(1 / values))


def test_systems_do_as_many_updates_and_time_is_taken_by_phase(finished: Done) -> None:
    ours, theirs = finished.record(), finished.record("uniform")
    assert ours.updates == theirs.updates == 6  # two epochs of three batches; the generator's own are not counted
    assert set(ours.phases) == {"pretrain_discriminator", "pretrain_generator", "adversarial"}
    assert set(theirs.phases) == {"pretrain_discriminator", "adversarial"}
    assert ours.epochs == theirs.epochs == 2
    assert ours.seconds == pytest.approx(sum(phase.seconds for phase in read_phases(finished.folder()).values()))
    assert all(phase.seconds > 0 for phase in ours.phases.values())
    assert ours.processor_s == pytest.approx(sum(phase.processor_s or 0 for phase in read_phases(finished.folder()).values()))
    assert all(phase.processor_s is not None and phase.processor_s > 0 for phase in ours.phases.values())


def test_the_curve_starts_untrained_and_ends_with_all_updates(finished: Done) -> None:
    record = finished.record()
    curve = read_curve(finished.folder(), record.zero_shot)
    assert [point.updates for point in curve] == [0, 3, 6]
    assert curve[0][2:] == (record.zero_shot["h_at_1"], record.zero_shot["mrr"])
    assert curve[-1].seconds == pytest.approx(record.seconds)
    assert max(point.mrr for point in curve) == pytest.approx(record.trained["mrr"], abs=1e-5)


# Tables


def test_all_files_are_written_and_agree(finished: Done) -> None:
    assert {file.name for file in finished.result.files} == {f"comparison.{end}" for end in ("md", "csv", "html", "svg", "json")}
    values = json.loads((finished.out / "comparison.json").read_text())
    with (finished.out / "comparison.csv").open() as handle:
        rows = {(row["budget"], row["system"]): row for row in csv.DictReader(handle)}
    assert set(rows) == {(budget, system) for budget in ("updates", "wall") for system in ("", "reference", "uniform")}
    table = values["tables"][0]
    for row in table["rows"]:
        cell = row["cells"]["toy"]
        assert float(rows["updates", row["system"]]["h_at_1"]) == pytest.approx(cell["scores"]["h_at_1"]["value"], abs=1e-6)
    text = (finished.out / "comparison.md").read_text()
    assert "## Equal updates" in text
    assert "## Equal wall time" in text
    assert "4 of 4 runs finished" not in text  # those under wall time are counted too
    assert "not cover the choice of seeds" in text


def test_a_mean_is_over_seeds_with_its_t_interval(finished: Done) -> None:
    values = [finished.record("uniform", str(seed)).trained["mrr"] for seed in (0, 1)]
    row = next(row for row in finished.result.comparison.tables[0].rows if row.system == "uniform")
    interval = row.cells["toy"].scores["mrr"]
    assert row.cells["toy"].runs["mrr"] == pytest.approx(values)
    assert interval.value == pytest.approx(np.mean(values))
    half = 12.7062 * abs(values[0] - values[1]) / 2  # t with one degree of freedom; s / sqrt(2) is half the gap
    assert interval.low == pytest.approx(max(0, interval.value - half), abs=1e-4)


def test_the_difference_is_that_of_the_means(finished: Done) -> None:
    reference, uniform = (
        next(row for row in finished.result.comparison.tables[0].rows if row.system == system).cells["toy"] for system in SYSTEMS
    )
    for metric in ("h_at_1", "mrr"):
        expected = uniform.scores[metric].value - reference.scores[metric].value
        assert uniform.differences[metric].value.value == pytest.approx(expected, abs=1e-7)
    assert not reference.differences
    assert finished.result.comparison.tables[0].num_comparisons == 2


def row_of(result: CompareResult, system: str, table: int = 0) -> ComparisonRow:
    [row] = [row for row in result.comparison.tables[table].rows if row.system == system]
    return row


def edit_record(done: Done, system: str, seed: str, **values: object) -> None:
    path = done.folder(system, seed) / "run.json"
    write_json(path, read_json(path) | values)


def test_runs_from_before_processor_time_was_measured_are_read(done: Done, ran: list[str]) -> None:
    for path in done.out.rglob("run.json"):
        record = read_json(path)
        for phase in record["phases"].values():
            del phase["processor_s"]
        write_json(path, record)
    for path in done.out.rglob("metrics.csv"):
        lines = [line.rpartition(",")[0] for line in path.read_text().splitlines()]
        path.write_text("\n".join(lines) + "\n")
    cell = row_of(done.again(), "uniform").cells["toy"]
    assert ran == []
    assert cell.processor_s is None
    assert cell.seconds is not None
    assert read_phases(done.folder())["adversarial"].processor_s is None


def test_seconds_are_the_median_over_seeds_as_the_wall_budget_has_it(done: Done) -> None:
    seconds = [1.0, 2.0, 9.0]
    shutil.copytree(done.folder("reference", "1"), done.folder("reference", "2"))
    for seed, value in enumerate(seconds):
        record = read_json(done.folder("reference", str(seed)) / "run.json")
        phases = {"adversarial": {"epochs": 1, "seconds": value}}
        edit_record(done, "reference", str(seed), phases=phases, settings=record["settings"] | {"seed": seed})
    result = done.again(report_only=True, seeds=[0, 1, 2])
    assert row_of(result, "reference").cells["toy"].seconds == 2.0


def test_weights_from_pretraining_are_marked_in_every_table_and_explained(done: Done) -> None:
    for seed, best in (("0", 3), ("1", 6)):
        edit_record(done, "reference", seed, best_updates=best)
        edit_record(done, "uniform", seed, best_updates=best)  # pretrained by its own rule
    result = done.again(report_only=True)
    [flag] = row_of(result, "reference").cells["toy"].flags
    assert flag.startswith("kept from pretraining in 1 of 2 seeds")
    assert row_of(result, "uniform").cells["toy"].flags == ()
    assert any(note.startswith("Kept from pretraining: ") for note in result.comparison.notes)
    assert f"- † reference on toy: {flag}" in (done.out / "comparison.md").read_text()
    edit_record(done, "reference", "0", best_updates=6)
    assert not any(note.startswith("Kept from pretraining: ") for note in done.again(report_only=True).comparison.notes)


def test_unequal_seeds_are_compared_over_those_that_both_have(done: Done) -> None:
    # The reference is right everywhere with seed 0 and wrong everywhere with seed 1; uniform, run with seed 0 alone, lies between.
    wrong = np.full(25, 2.0)
    for system, seed, right in (("reference", "0", 25), ("reference", "1", 0), ("uniform", "0", 20)):
        file = done.folder(system, seed) / "ranks.npz"
        write_ranks(file, read_ranks(file)._replace(trained=np.where(np.arange(25) < right, 1.0, wrong)))
    shutil.rmtree(done.folder("uniform", "1"))
    reference, uniform = (row_of(done.again(report_only=True), system).cells["toy"] for system in SYSTEMS)
    assert uniform.scores["h_at_1"].value > reference.scores["h_at_1"].value
    assert uniform.differences["h_at_1"].value.value == pytest.approx(-0.2)
    assert "its difference from reference is taken over seed 0, the only one that both have" in uniform.flags
    assert not any("its difference" in flag for flag in reference.flags)


def test_one_seed_is_not_said_to_have_an_interval(done: Done) -> None:
    result = done.again(report_only=True, seeds=[0])
    text = (done.out / "comparison.md").read_text()
    assert "Figures of one seed" in text
    assert "t interval" not in text
    assert result.comparison.tables[0].num_seeds == 1


def test_the_untrained_row_is_the_reference_before_training(finished: Done) -> None:
    row = finished.result.comparison.tables[0].rows[0]
    assert (row.system, row.label) == ("", "untrained")
    assert row.cells["toy"].scores["mrr"].value == pytest.approx(finished.record().zero_shot["mrr"])
    assert row.cells["toy"].scores["mrr"].low is None


# What is run again, and what is not


def test_a_finished_comparison_runs_nothing(done: Done, ran: list[str]) -> None:
    before = (done.folder() / "run.json").read_bytes()
    done.again()
    assert ran == []
    assert (done.folder() / "run.json").read_bytes() == before


def test_changed_settings_are_run_again_and_said(done: Done, ran: list[str], caplog: pytest.LogCaptureFixture) -> None:
    write_matrix(done.file, {"reference": (), "uniform": (*SYSTEMS["uniform"], "training.margin=0.4")}, overrides=LEARNING)
    done.again()
    assert ran == ["uniform/toy seed 0", "uniform/toy seed 1"]
    assert "uniform/toy seed 0 was run with other settings and is run again: training.margin 0.2 -> 0.4" in caplog.messages
    assert done.record("uniform").settings["training"]["margin"] == 0.4


def test_settings_that_change_no_score_change_nothing(done: Done, ran: list[str]) -> None:
    write_matrix(done.file, overrides=[*LEARNING, "training.log_every=7", "evaluation.bootstrap=150"])
    done.again()
    assert ran == []


def test_leaving_the_rule_of_pretraining_to_the_game_s_changes_nothing(done: Done, ran: list[str]) -> None:
    write_matrix(done.file, {**SYSTEMS, "uniform": ("negatives.sampler=uniform",)}, overrides=LEARNING)
    done.again()
    assert ran == []


def damage(file: Path, how: str) -> None:
    if how == "missing":
        file.unlink()
    elif how == "truncated":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        file.write_bytes(b"\x00\xffnonsense,\n1,2")


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *(("ranks.npz", how) for how in ("missing", "truncated", "nonsense")),
        *(("run.json", how) for how in ("truncated", "nonsense")),
        *(("metrics.csv", how) for how in ("missing", "truncated", "nonsense")),
    ],
)
def test_a_damaged_run_is_left_out_and_named(done: Done, name: str, how: str) -> None:
    file = done.folder("uniform", "1") / name
    damage(file, how)
    result = done.again(report_only=True)
    assert row_of(result, "uniform").cells["toy"].seeds == (0,)
    [caution] = [caution for caution in result.comparison.cautions if caution.startswith("left out, since it is damaged")]
    assert "uniform/toy seed 1" in caution
    assert str(file) in caution
    assert "1 damaged" in result.comparison.progress
    with pytest.raises(SettingError, match="runs are not finished"):
        done.again(test=True)


def test_a_record_of_another_format_and_ranks_of_other_mentions_are_damage(done: Done) -> None:
    edit_record(done, "uniform", "0", format=7)
    ranks = done.folder("uniform", "1") / "ranks.npz"
    write_ranks(ranks, RankTable(*(array[:-1] for array in read_ranks(ranks))))
    cautions = done.again(report_only=True).comparison.cautions
    assert sum("left out, since it is damaged" in caution for caution in cautions) == 2


def test_damaged_runs_are_run_again_and_their_files_named(done: Done, ran: list[str], caplog: pytest.LogCaptureFixture) -> None:
    damage(done.folder("uniform", "1") / "ranks.npz", "truncated")
    damage(done.folder("reference", "0") / "run.json", "truncated")
    result = done.again()
    assert ran == ["reference/toy seed 0", "uniform/toy seed 1"]
    for system, seed, name in (("uniform", "1", "ranks.npz"), ("reference", "0", "run.json")):
        said = [text for text in caplog.messages if text.startswith(f"{system}/toy seed {seed} is damaged and is run again: ")]
        assert len(said) == 1
        assert str(done.folder(system, seed) / name) in said[0]
    assert row_of(result, "uniform").cells["toy"].seeds == (0, 1)
    assert not any("since it is damaged" in caution for caution in result.comparison.cautions)


def test_a_damaged_list_of_looks_at_test_blocks_no_tables_but_further_looks(done: Done) -> None:
    (done.out / "test.json").write_text('[{"date"')
    assert any("whether the test split" in caution for caution in done.again(report_only=True).comparison.cautions)
    with pytest.raises(DataError, match=r"test\.json"):
        done.again(test=True)
    (done.out / "test.json").write_text('{"date": 1}')
    with pytest.raises(DataError, match=r"test\.json: the list of looks at the test split is damaged"):
        done.again(test=True, again=True)


def test_missing_weights_are_told_before_the_first_look_at_test(done: Done) -> None:
    (done.folder("uniform", "1") / "best.safetensors").unlink()
    with pytest.raises(DataError, match="the best weights are missing"):
        done.again(test=True)
    assert not (done.out / "test.json").exists()


@pytest.mark.parametrize(("split", "have"), [("dev", "train, test"), ("train", "dev, test")])
def test_a_data_set_without_its_splits_is_told_before_anything_runs(
    done: Done, tmp_path: Path, ran: list[str], split: str, have: str
) -> None:
    root = tmp_path / "data"
    shutil.copytree(done.root / "toy", root / "toy")
    (root / "toy" / f"{split}.jsonl").unlink()
    with pytest.raises(SettingError, match=rf"nothing was started:\n  - data.toy: .*no mentions in split '{split}' .it has: {have}."):
        done._replace(root=root, out=tmp_path / "new").again()
    assert ran == []


def test_a_data_set_that_cannot_be_read_is_told_before_anything_runs(done: Done, tmp_path: Path, ran: list[str]) -> None:
    root = tmp_path / "data"
    shutil.copytree(done.root / "toy", root / "toy")
    (root / "toy" / "dev.jsonl").write_text("{")
    with pytest.raises(SettingError, match=r"nothing was started:\n  - data.toy: .*dev.jsonl"):
        done._replace(root=root, out=tmp_path / "new").again()
    assert ran == []


def test_changed_data_are_run_again(done: Done, tmp_path: Path, ran: list[str], caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(done.root / "toy", tmp_path / "data" / "toy")
    rows = read_lines(tmp_path / "data" / "toy" / "train.jsonl")
    write_lines(tmp_path / "data" / "toy" / "train.jsonl", rows[:-1])
    done._replace(root=tmp_path / "data").again(only=["reference/*"], seeds=[0])
    assert ran == ["reference/toy seed 0"]
    assert "the data set's files" in caplog.text


def audit_dev(folder: Path, out: Path, left_out: int, data: str = ".") -> None:
    """Write a clean split of dev without its last mentions."""
    dataset = load_dataset(folder)
    part = derive_split("dev", dataset.splits["dev"], dataset.splits["dev"][:-left_out])
    write_derived(out, data, dataset.layout, {"dev-clean": part})


PUBLISHED, CLEAN = read_settings(None), read_settings(None, ["data.dev_split=dev-clean"])


def test_clean_splits_written_beside_the_data_change_nothing_for_runs_on_the_published_ones(
    done: Done, tmp_path: Path, ran: list[str]
) -> None:
    folder = tmp_path / "data" / "toy"
    shutil.copytree(done.root / "toy", folder)
    write_matrix(done.file, {**SYSTEMS, "clean": ("data.dev_split=dev-clean",)}, budgets=BOTH, overrides=LEARNING)
    audit_dev(folder, folder / DERIVED_FILE, 1)
    (folder / f"other.{DERIVED_FILE}").write_text("{}")
    done._replace(root=tmp_path / "data").again(only=["reference/*", "uniform/*"])
    assert ran == []
    assert fingerprint_data(folder).of(PUBLISHED) == fingerprint_data(done.root / "toy").of(PUBLISHED)


def test_runs_on_clean_splits_are_made_again_when_those_change(done: Done, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "toy"
    shutil.copytree(done.root / "toy", folder)
    audit_dev(folder, folder / DERIVED_FILE, 1)
    before = fingerprint_data(folder)
    audit_dev(folder, folder / DERIVED_FILE, 2)
    after = fingerprint_data(folder)
    assert after.of(CLEAN) not in (before.of(CLEAN), after.of(PUBLISHED))
    assert after.of(PUBLISHED) == before.of(PUBLISHED)


def test_splits_in_a_folder_of_their_own_change_with_the_data_that_they_are_of(done: Done, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "toy"
    shutil.copytree(done.root / "toy", folder)
    audit_dev(folder, tmp_path / "audit" / DERIVED_FILE, 1, str(folder))
    before = fingerprint_data(tmp_path / "audit").of(PUBLISHED)
    assert before == fingerprint_data(folder).of(PUBLISHED)
    write_lines(folder / "train.jsonl", read_lines(folder / "train.jsonl")[:-1])
    assert fingerprint_data(tmp_path / "audit").of(PUBLISHED) != before


def test_the_same_data_elsewhere_are_the_same_data(done: Done, tmp_path: Path, ran: list[str]) -> None:
    shutil.copytree(done.root / "toy", tmp_path / "moved" / "toy")
    done._replace(root=tmp_path / "moved").again()
    assert ran == []


def test_only_paths_below_the_data_root_are_taken_for_it() -> None:
    settings = read_settings(None, ["features.text_encoder=data/enc.v2", "data.train_split=data-train"])
    assert portable(settings, Path("data"))["features"]["text_encoder"] == "{data_root}/enc.v2"
    assert portable(settings, Path("data"))["data"]["train_split"] == "data-train"
    assert portable(settings, Path())["features"]["text_encoder"] == "data/enc.v2"


def test_a_setting_that_came_later_counts_as_its_default() -> None:
    new = {"training": {"margin": 0.2}, "features": {"image_sides": "both"}}
    assert changed_settings({"training": {"margin": 0.2}}, new) == []
    assert changed_settings({"training": {"margin": 0.2}}, {**new, "features": {"image_sides": "mentions"}}) == [
        "features.image_sides both -> mentions"
    ]


def test_only_chosen_cells_are_run_and_others_still_shown(done: Done, ran: list[str]) -> None:
    shutil.rmtree(done.folder("uniform", "1"))
    result = done.again(only=["reference/toy"])
    assert ran == []
    row = next(row for row in result.comparison.tables[0].rows if row.system == "uniform")
    assert row.cells["toy"].seeds == (0,)
    assert "1 of 2 seeds" in row.cells["toy"].flags


def test_a_folder_that_may_be_written_needs_no_parent_that_may(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgmel.files.os.access", lambda path, mode: Path(path) == done.out)
    assert done.again(report_only=True).failures == ()
    monkeypatch.setattr("pgmel.files.os.access", lambda path, mode: Path(path) != done.out)
    with pytest.raises(SettingError, match=f"--out {done.out} cannot be written: nothing may be written in {done.out}"):
        done.again(report_only=True)


def test_report_only_runs_nothing_and_needs_no_data(done: Done, ran: list[str]) -> None:
    shutil.rmtree(done.folder("uniform", "1"))
    result = compare(done.file, done.out, None, report_only=True, show_progress=False)
    assert ran == []
    assert "1 of 2 seeds" in (done.out / "comparison.md").read_text()
    assert result.failures == ()


def test_runs_with_other_settings_are_left_out_of_a_report_and_named(done: Done) -> None:
    write_matrix(done.file, {"reference": (), "uniform": (*SYSTEMS["uniform"], "training.margin=0.4")}, overrides=LEARNING)
    result = done.again(report_only=True)
    assert [row.system for row in result.comparison.tables[0].rows] == ["", "reference"]
    assert any("uniform/toy seed 0 (training.margin 0.2 -> 0.4)" in caution for caution in result.comparison.cautions)


def test_runs_by_different_states_of_the_code_are_pointed_out(done: Done) -> None:
    path = done.folder() / "run.json"
    write_json(path, read_json(path) | {"code": "other"})
    assert any("different states of the code" in caution for caution in done.again(report_only=True).comparison.cautions)


def wall_row(result: CompareResult, system: str) -> ComparisonRow | None:
    rows = (row for table in result.comparison.tables if table.budget == "wall" for row in table.rows)
    return next((row for row in rows if row.system == system), None)


def test_wall_runs_whose_epochs_other_runs_have_set_are_left_out_of_a_report_and_named(done: Done) -> None:
    assert wall_row(done.again(report_only=True), "uniform")
    write_matrix(done.file, {"reference": ("training.margin=0.4",), "uniform": SYSTEMS["uniform"]}, budgets=BOTH, overrides=LEARNING)
    done.again(only=["reference/*"])
    result = done.again(report_only=True)
    assert wall_row(result, "reference")
    assert wall_row(result, "uniform") is None
    assert "uniform" in [row.system for row in result.comparison.tables[0].rows]
    assert any("uniform/toy seed 0 (wall) (its epochs were set by" in caution for caution in result.comparison.cautions)
    assert wall_row(done.again(), "uniform")


def test_a_budget_that_no_run_was_made_for_has_no_table(done: Done) -> None:
    (done.out / "wall.json").unlink()
    assert [table.budget for table in done.again(report_only=True).comparison.tables] == ["updates"]
    assert "## Equal wall time" not in (done.out / "comparison.md").read_text()


def test_wall_runs_are_left_out_where_the_reference_s_runs_are_not_those_asked_for(done: Done) -> None:
    write_matrix(done.file, {"reference": ("training.margin=0.4",), "uniform": SYSTEMS["uniform"]}, budgets=BOTH, overrides=LEARNING)
    assert wall_row(done.again(report_only=True), "uniform") is None


def test_wall_runs_are_flagged_where_the_reference_takes_another_time_now(done: Done, ran: list[str]) -> None:
    for seed in ("0", "1"):
        path = done.folder("reference", seed) / "run.json"
        found = read_json(path)
        found["phases"]["adversarial"]["seconds"] *= 100
        write_json(path, found)
    row = wall_row(done.again(report_only=True), "uniform")
    assert row is not None
    assert any("its epochs were set when the reference took" in flag for flag in row.cells["toy"].flags)
    done.again()
    assert ran == []


# Failures and interruptions


def test_a_failing_run_is_told_and_the_others_go_on(done: Done, ran: list[str], caplog: pytest.LogCaptureFixture) -> None:
    write_matrix(done.file, {**SYSTEMS, "bad": ("features.text_encoder=minilmm",)}, seeds=(0,), overrides=LEARNING)
    result = done.again()
    assert ran == ["bad/toy seed 0"]
    [failure] = result.failures
    assert failure.startswith("bad/toy seed 0: ")
    assert "Did you mean 'minilm'?" in failure
    assert (done.folder("bad") / "failure.txt").read_text().startswith("Traceback")
    assert "failed: bad/toy seed 0" in (done.out / "comparison.md").read_text()


def test_an_interrupted_run_goes_on_from_its_checkpoint(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgmel.training import Trainer

    shutil.rmtree(done.folder("uniform", "1"))
    step = Trainer._one_step

    def stop(trainer: Trainer, bar: object) -> bool:
        import os
        import signal

        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(trainer, bar)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_one_step", stop)
    with pytest.raises(TrainingInterruptedError, match="run the same command again to go on"):
        done.again()
    assert list((done.folder("uniform", "1") / "checkpoints").iterdir())
    begun: list[int] = []

    def count(trainer: Trainer, bar: object) -> bool:
        begun.append(trainer.step)
        return step(trainer, bar)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "_one_step", count)
    done.again(only=["uniform/toy"])
    assert begun[0] == 4
    assert done.record("uniform", "1").updates == 6


def test_a_checkpoint_of_other_data_is_not_gone_on_from(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgmel.training import Trainer

    resumed: list[bool] = []
    train = Trainer.run

    def note(trainer: Trainer, resume: bool = True, known: object = None) -> object:
        resumed.append(resume)
        return train(trainer, resume, known)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "run", note)
    settings = read_json(done.folder() / "run.json")["settings"]
    for fingerprint, expected in ((done.record().fingerprint, True), ("other", False)):
        (done.folder() / "run.json").unlink()
        write_json(done.folder() / "started.json", {"settings": settings, "fingerprint": fingerprint})
        done.again()
        assert resumed[-1] == expected


def test_a_damaged_checkpoint_is_begun_anew(done: Done, ran: list[str]) -> None:
    settings, fingerprint = done.record().settings, done.record().fingerprint
    (done.folder() / "run.json").unlink()
    write_json(done.folder() / "started.json", {"settings": settings, "fingerprint": fingerprint})
    (done.folder() / "checkpoints").mkdir()
    (done.folder() / "checkpoints" / "step-00000002.safetensors").write_bytes(b"damaged")
    done.again()
    assert ran == ["reference/toy seed 0"]
    assert done.record().updates == 6


def test_two_comparisons_do_not_share_a_folder(done: Done) -> None:
    import fcntl

    with (done.out / ".lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(SettingError, match="another pgmel compare is at work"):
            done.again()


def test_processes_side_by_side_give_the_same_scores(finished: Done, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(finished.root / "toy", root / "toy")
    shutil.copytree(finished.root / "toy", root / "other")
    file = write_matrix(
        tmp_path / "m.toml", {**SYSTEMS, "bad": ("features.text_encoder=minilmm",)}, data=("toy", "other"), seeds=(0,), overrides=LEARNING
    )
    result = compare(file, tmp_path / "out", root, jobs=2, only=["*/toy", "reference/other"], show_progress=False)
    for system in SYSTEMS:
        record = read_record(tmp_path / "out" / "runs" / "toy" / system / "seed-0")
        assert record is not None
        assert record.trained == pytest.approx(finished.record(system).trained)
        assert record.jobs == 2
    assert read_record(tmp_path / "out" / "runs" / "other" / "reference" / "seed-0") is not None
    assert [failure.split(":")[0] for failure in result.failures] == ["bad/toy seed 0"]


# The test split


def test_test_is_evaluated_once_with_the_weights_that_dev_chose(done: Done, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    result = done.again(test=True, only=["*/toy"], seeds=[0, 1], overrides=["training.log_every=3"])
    assert result.comparison.split == "test"
    assert {file.name for file in result.files} >= {"comparison-test.md", "comparison-test.csv", "comparison-test.html"}
    [occasion] = read_json(done.out / "test.json")
    assert occasion["date"]
    assert occasion["versions"]["pgmel"]
    assert occasion["asked"] == [str(done.file), "--only", "*/toy", "--set", "training.log_every=3", "--seeds", "0,1"]
    row = next(row for row in result.comparison.tables[0].rows if row.system == "reference")
    dev = next(row for row in done.result.comparison.tables[0].rows if row.system == "reference")
    assert row.cells["toy"].num_mentions == len(read_ranks(done.out / "test" / "toy" / "reference" / "seed-0" / "ranks.npz").trained)
    assert row.cells["toy"].runs != dev.cells["toy"].runs
    for system in SYSTEMS:
        ranks = read_ranks(done.out / "test" / "toy" / system / "seed-0" / "ranks.npz")
        assert done.record(system).best_updates > 0
        assert (ranks.trained != ranks.zero_shot).any()
    with pytest.raises(SettingError, match=r"was evaluated already, on .*pass --again"):
        done.again(test=True)
    again = done.again(test=True, again=True)
    assert len(read_json(done.out / "test.json")) == 2
    assert "the test split was evaluated 2 times" in again.comparison.cautions
    assert again.comparison.tables == result.comparison.tables
    assert any("test split of these runs was evaluated" in caution for caution in done.again(report_only=True).comparison.cautions)


def test_a_look_at_test_that_was_cut_short_stays_on_record_and_may_be_begun_again(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("pgmel.workflows.compare.testing_split.write_ranks", stop)
        with pytest.raises(KeyboardInterrupt):
            done.again(test=True)
    assert [occasion["finished"] for occasion in read_json(done.out / "test.json")] == [False]
    result = done.again(test=True)
    assert [occasion["finished"] for occasion in read_json(done.out / "test.json")] == [False, True]
    assert "the test split was evaluated 2 times" in result.comparison.cautions


def test_unfinished_runs_keep_test_closed(done: Done) -> None:
    shutil.rmtree(done.folder("uniform", "1"))
    with pytest.raises(SettingError, match=r"runs are not finished .first uniform/toy seed 1."):
        done.again(test=True)
    assert not (done.out / "test.json").exists()


def test_data_without_a_test_split_are_told(done: Done, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(done.root / "toy", root / "toy")
    (root / "toy" / "test.jsonl").unlink()
    moved = done._replace(root=root, out=tmp_path / "new")
    moved.again(seeds=[0], only=["reference/toy"])
    write_matrix(done.file, {"reference": ()}, seeds=(0,), overrides=LEARNING)
    with pytest.raises(DataError, match=r"data set toy has no test split .it has: train, dev"):
        moved.again(test=True)


def test_weights_that_no_longer_give_their_figures_are_refused(done: Done) -> None:
    path = done.folder() / "run.json"
    record = read_json(path)
    write_json(path, record | {"trained": record["trained"] | {"h_at_1": record["trained"]["h_at_1"] - 0.2}})
    with pytest.raises(DataError, match=r"are no longer those of the run"):
        done.again(test=True)
