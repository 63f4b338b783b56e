"""Matrix files, and what is made of them before anything runs."""

from pathlib import Path

import numpy as np
import pytest
from toy_matrix import write_matrix

from pgmel.errors import DataError, SettingError
from pgmel.negatives import SAMPLERS
from pgmel.workflows.compare import Cell, Plan, make_plan, read_matrix
from pgmel.workflows.compare.plan import NO_PATIENCE
from pgmel.workflows.compare.record import read_ranks

ROOT = Path(__file__).parents[3]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.toml"))


def plan_of(file: Path, root: Path, **options: object) -> Plan:
    for name in ("toy", "other"):
        (root / name).mkdir(exist_ok=True)
    return make_plan(read_matrix(file), file, root, **options)  # type: ignore[arg-type]


def cell_of(plan: Plan, system: str, data: str = "toy", seed: int = 0) -> Cell:
    [cell] = [cell for cell in plan.cells if (cell.system, cell.data, cell.seed) == (system, data, seed)]
    return cell


def faults_of(error: pytest.ExceptionInfo[SettingError]) -> list[str]:
    return [line.removeprefix("  - ") for line in str(error.value).splitlines()[1:]]


def test_every_system_runs_on_every_data_set_with_every_seed(tmp_path: Path) -> None:
    plan = plan_of(write_matrix(tmp_path / "m.toml", data=("toy", "other"), seeds=(0, 3)), tmp_path)
    assert {(cell.system, cell.data, cell.seed) for cell in plan.cells} == {
        (system, data, seed) for system in ("reference", "uniform") for data in ("toy", "other") for seed in (0, 3)
    }
    assert all(cell.settings.seed == cell.seed for cell in plan.cells)
    assert len(plan.to_run()) == 8


def test_patience_is_off_and_overrides_apply(tmp_path: Path) -> None:
    plan = plan_of(write_matrix(tmp_path / "m.toml"), tmp_path, overrides=["training.margin=0.7"])
    assert {cell.settings.training.patience for cell in plan.cells} == {NO_PATIENCE}
    assert {cell.settings.training.margin for cell in plan.cells} == {0.7}
    assert cell_of(plan, "uniform").settings.negatives.sampler == "uniform"
    assert cell_of(plan, "reference").settings.negatives.sampler == "generator"


def test_a_system_without_pretraining_gets_those_epochs_in_the_game(tmp_path: Path) -> None:
    systems = {"reference": ("training.epochs=3",), "bare": ("training.pretrain_epochs=0",)}
    plan = plan_of(write_matrix(tmp_path / "m.toml", systems, overrides=["training.epochs=9"]), tmp_path)
    assert cell_of(plan, "reference").settings.training.epochs == 3
    assert cell_of(plan, "bare").settings.training.epochs == 4
    assert not cell_of(plan, "bare").own_budget


@pytest.mark.parametrize(
    ("override", "flag"),
    [
        ("training.epochs=5", "6 instead of 2 epochs"),
        ("training.batch_size=8", "batches of 8 instead of 24"),
        ("training.evaluate_every=2", "a dev evaluation every 2 epochs instead of 1"),
        ("data.train_split=dev", "the training split dev instead of train"),
        ("data.max_train_mentions=5", "at most 5 training mentions instead of all"),
    ],
)
def test_a_system_that_asks_for_another_budget_is_flagged(tmp_path: Path, override: str, flag: str) -> None:
    plan = plan_of(write_matrix(tmp_path / "m.toml", {"reference": (), "own": (override,)}), tmp_path)
    assert flag in cell_of(plan, "own").own_budget
    assert not cell_of(plan, "reference").own_budget


def test_overrides_of_one_data_set_go_last(tmp_path: Path) -> None:
    more = '\n[systems.third]\non = ["other"]\noverrides = ["negatives.num=2"]\n[systems.third.overrides_on]\nother = ["negatives.num=3"]\n'
    plan = plan_of(write_matrix(tmp_path / "m.toml", data=("toy", "other"), more=more), tmp_path)
    assert {cell.data for cell in plan.cells if cell.system == "third"} == {"other"}
    assert cell_of(plan, "third", "other").settings.negatives.num == 3


def test_the_data_root_is_filled_in(tmp_path: Path) -> None:
    file = write_matrix(tmp_path / "m.toml", {"reference": ("features.image_encoder={data_root}/vision",)})
    assert cell_of(plan_of(file, tmp_path), "reference").settings.features.image_encoder == f"{tmp_path}/vision"


def test_only_and_seeds_choose_what_is_run(tmp_path: Path) -> None:
    file = write_matrix(tmp_path / "m.toml", data=("toy", "other"))
    plan = plan_of(file, tmp_path, only=["uniform/*", "reference/toy"], seeds=[7])
    assert {(cell.system, cell.data, cell.seed) for cell in plan.to_run()} == {
        ("uniform", "toy", 7),
        ("uniform", "other", 7),
        ("reference", "toy", 7),
    }
    with pytest.raises(SettingError, match=r"--only unifrom/toy: no such SYSTEM/DATA; did you mean uniform/toy\?"):
        plan_of(file, tmp_path, only=["unifrom/toy"])


def test_all_faults_of_a_matrix_file_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text(
        'titel = "x"\nseeds = []\nreference = "a"\nbudgets = ["update"]\n[data.toy]\npath = "toy"\nbuiltin = "demo"\n'
        '[data."a/b"]\npath = "x"\n[systems.a]\nlabl = "A"\n'
    )
    with pytest.raises(SettingError) as error:
        read_matrix(file)
    told = faults_of(error)
    assert "title is missing" in told
    assert "titel is not known here; did you mean 'title'?" in told
    assert "systems.a.labl is not known here; did you mean 'label'?" in told
    assert "data.toy: give either path or builtin" in told
    assert any(fault.startswith("budgets.0 must be") and "did you mean 'updates'" in fault for fault in told)
    assert "seeds must have at least 1 value, got []" in told
    assert any(fault.startswith("data.a/b: a name consists of") for fault in told)
    assert str(error.value).startswith(f"{len(told)} faults in {file}:")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            ('reference = "reference"', 'reference = "refrence"'),
            "reference must be one of the systems, got 'refrence'; did you mean",
        ),
        (("seeds = [0, 1]", "seeds = [0, 0]"), "seeds names a value twice: [0, 0]"),
        (('budgets = ["updates"]', 'budgets = ["wall"]'), 'budgets: "wall" needs "updates" too'),
        (
            ("[systems.uniform]\n", '[systems.uniform]\non = ["tay"]\n'),
            "systems.uniform.on: 'tay' is not one of the data sets; did you",
        ),
    ],
)
def test_parts_that_do_not_fit_are_told(tmp_path: Path, change: tuple[str, str], fault: str) -> None:
    file = write_matrix(tmp_path / "m.toml")
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(SettingError) as error:
        read_matrix(file)
    assert [told for told in faults_of(error) if told.startswith(fault)]


@pytest.mark.parametrize(
    ("line", "fault"),
    [('seeds = "0,1"', "seeds must be a list, got '0,1'"), ('budgets = "wall"', "budgets must be a list, got 'wall'")],
)
def test_a_list_is_called_a_list(tmp_path: Path, line: str, fault: str) -> None:
    file = write_matrix(tmp_path / "m.toml")
    name = line.partition(" ")[0]
    file.write_text("\n".join(line if old.startswith(f"{name} =") else old for old in file.read_text().split("\n")))
    with pytest.raises(SettingError) as error:
        read_matrix(file)
    assert faults_of(error) == [fault]


def test_a_table_is_called_a_table(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text('title = "x"\nseeds = [0]\nreference = "a"\ndata = 3\n[systems.a]\n')
    with pytest.raises(SettingError) as error:
        read_matrix(file)
    assert faults_of(error) == ["data must be a table, got 3"]


def test_overrides_where_a_system_never_runs_are_told(tmp_path: Path) -> None:
    more = '\n[systems.third]\non = ["other"]\n[systems.third.overrides_on]\ntoy = ["negatives.num=3"]\n'
    with pytest.raises(SettingError, match=r"systems.third.overrides_on: 'toy' is not in `on`, so the system never runs there"):
        plan_of(write_matrix(tmp_path / "m.toml", data=("toy", "other"), more=more), tmp_path)


@pytest.mark.parametrize(
    ("override", "remedy"),
    [
        ("seed=5", "seed cannot be overridden, a comparison sets it itself; list the seeds under `seeds`, or pass --seeds"),
        ("training.patience=3", "training.patience cannot be overridden, a comparison sets it itself; leave it out: patience is off"),
        (" data.path = x", "data.path cannot be overridden, a comparison sets it itself; name the folder as `path` of its [data.NAME]"),
        ("training={patience=3}", "training.patience cannot be overridden"),
        ("training.tensorboard=true", "training.tensorboard cannot be overridden, a comparison sets it itself; leave it out"),
    ],
)
def test_what_a_comparison_sets_itself_cannot_be_overridden(tmp_path: Path, override: str, remedy: str) -> None:
    file = write_matrix(tmp_path / "m.toml", {"reference": (), "own": (override,)})
    with pytest.raises(SettingError) as error:
        plan_of(file, tmp_path)
    [told] = faults_of(error)
    assert told.startswith(f"systems.own.overrides: {remedy}")


def test_every_place_of_overrides_is_looked_at(tmp_path: Path) -> None:
    more = '\n[systems.third]\n[systems.third.overrides_on]\ntoy = ["seed=1"]\n'
    file = write_matrix(tmp_path / "m.toml", overrides=["training.patience=2"], more=more)
    file.write_text(file.read_text().replace('path = "toy"\n', 'path = "toy"\noverrides = ["data.path=elsewhere"]\n'))
    with pytest.raises(SettingError) as error:
        plan_of(file, tmp_path, overrides=["training.tensorboard=true"])
    places = {fault.partition(": ")[0] for fault in faults_of(error)}
    assert places == {"overrides", "data.toy.overrides", "systems.third.overrides_on.toy", "--set"}


def test_a_configuration_made_for_training_may_have_what_a_comparison_sets_itself(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('seed = 9\n[training]\npatience = 2\n[data]\npath = "elsewhere"\n')
    file = write_matrix(tmp_path / "m.toml")
    file.write_text(file.read_text().replace('path = "toy"\n', 'path = "toy"\nconfig = "c.toml"\n'))
    assert {cell.settings.training.patience for cell in plan_of(file, tmp_path).cells} == {NO_PATIENCE}


def test_faulty_settings_of_all_cells_are_told_once_each_before_anything_runs(tmp_path: Path) -> None:
    systems = {"reference": (), "a": ("negatives.sampler=hardset",), "b": ("training.margn=1", "training.max_steps=5")}
    file = write_matrix(tmp_path / "m.toml", systems, data=("toy", "other", "gone"))
    (tmp_path / "toy").mkdir()
    (tmp_path / "other").mkdir()
    with pytest.raises(SettingError) as error:
        make_plan(read_matrix(file), file, tmp_path)
    told = faults_of(error)
    assert f"data.gone: {tmp_path / 'gone'} does not exist" in told
    assert any(fault.startswith("systems.a: negatives.sampler must be") and "did you mean 'hardest'" in fault for fault in told)
    assert "systems.b: training.margn is not a setting; did you mean training.margin?" in told
    assert len(told) == 3
    assert "nothing was started" in str(error.value)


def test_a_limit_on_steps_is_refused_since_updates_would_differ(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"training.max_steps counts the generator's steps too"):
        plan_of(write_matrix(tmp_path / "m.toml"), tmp_path, overrides=["training.max_steps=5"])


def test_encoders_stay_frozen(tmp_path: Path) -> None:
    overrides = ["features.train_encoder=lora", "features.text_encoder=minilm"]
    with pytest.raises(SettingError, match="comparisons share encoded features, so encoders stay frozen"):
        plan_of(write_matrix(tmp_path / "m.toml"), tmp_path, overrides=overrides)


def test_a_relative_path_needs_a_data_root(tmp_path: Path) -> None:
    file = write_matrix(tmp_path / "m.toml")
    with pytest.raises(SettingError, match=r"data.toy: its path toy is relative; pass --data-root FOLDER"):
        make_plan(read_matrix(file), file)
    assert make_plan(read_matrix(file), file, need_data=False).cells


@pytest.mark.parametrize("file", [Path("none.toml"), None])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, file: Path | None) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("title = ")
    with pytest.raises(SettingError, match=r"does not exist|not valid TOML"):
        read_matrix(tmp_path / file if file else broken)


# The matrix files that come with the project


def test_the_promised_experiments_are_there() -> None:
    assert {file.stem for file in EXPERIMENTS} >= {"negatives", "negatives-triplet", "policy", "ablations", "quick"}


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda file: file.stem)
def test_every_experiment_fits_the_settings(file: Path, tmp_path: Path) -> None:
    matrix = read_matrix(file)
    for entry in matrix.data.values():
        if entry.path is not None:
            (tmp_path / entry.path).mkdir()
    plan = make_plan(matrix, file, tmp_path)
    assert len(plan.cells) >= 15
    assert len(matrix.seeds) >= 3
    assert not any(cell.own_budget for cell in plan.cells)
    settings = {(cell.data, cell.system): cell.settings.model_dump_json() for cell in plan.cells if cell.seed == 0}
    for data in matrix.data:
        here = [value for (name, _), value in settings.items() if name == data]
        assert len(set(here)) == len(here), f"two systems are the same on {data}"


@pytest.mark.parametrize("name", ["negatives", "negatives-triplet"])
def test_the_negatives_experiments_have_every_sampler(name: str) -> None:
    file = ROOT / "experiments" / f"{name}.toml"
    plan = make_plan(read_matrix(file), file, need_data=False)
    assert {cell.settings.negatives.sampler for cell in plan.cells} == set(SAMPLERS)


@pytest.mark.parametrize("what", ["objects", "text", "zip", "array"])
def test_ranks_that_cannot_be_read_are_named(tmp_path: Path, what: str) -> None:
    file = tmp_path / "ranks.npz"
    if what == "objects":
        np.savez(file, trained=np.array([{}], dtype=object), zero_shot=np.ones(1), groups=np.ones(1))
    elif what == "array":
        with file.open("wb") as opened:
            np.save(opened, np.ones(3))
    else:
        file.write_bytes(b"PK\x03\x04 damaged" if what == "zip" else b"1,2,3")
    with pytest.raises(DataError, match=rf"{file}: the ranks cannot be read"):
        read_ranks(file)
