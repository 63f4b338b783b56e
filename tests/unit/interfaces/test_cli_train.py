"""``pgmel train`` from the outside."""

import json
import shutil
from pathlib import Path

import pytest
from toy_runs import ToyRun, bundle_vectors, read_lines, run_cli, set_options, write_lines

from pgmel.errors import BundleError
from pgmel.evaluation import EvaluationResult
from pgmel.files import read_json
from pgmel.linking import check_bundle

QUICKEST = set_options("training.max_steps=2")


def test_the_table_shows_before_and_after(toy_run: ToyRun, tmp_path: Path) -> None:
    outcome = run_cli("train", "--data", toy_run.data, "--out", tmp_path / "run", *QUICKEST)
    assert outcome.code == 0, outcome.err
    parts = ("toy, dev", "zero-shot", "trained", "H@1", "MRR", "with picture", "2 steps in")
    for part in (*parts, "5 mentions of dev were not ranked: gold is NIL"):
        assert part in outcome.out, part
    assert outcome.out.endswith(f"bundle: {tmp_path / 'run' / 'bundle'}\n")
    assert check_bundle(tmp_path / "run" / "bundle") == []


def test_the_figures_fit_a_narrow_terminal(toy_run: ToyRun, tmp_path: Path) -> None:
    outcome = run_cli("train", "--data", toy_run.data, "--out", tmp_path / "run", *QUICKEST, width=80)
    assert "…" not in outcome.out
    assert max(len(line) for line in outcome.out.splitlines() if "bundle:" not in line) <= 80


def test_json_is_one_object_and_nothing_else(toy_run: ToyRun, tmp_path: Path) -> None:
    found = run_cli("train", "--data", toy_run.data, "--out", tmp_path / "run", *QUICKEST, "--json").json()
    assert (found["bundle"], found["steps"]) == (str(tmp_path / "run" / "bundle"), 2)
    assert EvaluationResult.from_dict(found["zero_shot"]).system == "zero-shot"
    assert EvaluationResult.from_dict(found["trained"]).overall.num_mentions == 25


def test_a_config_is_read_and_options_go_before_it(toy_run: ToyRun, tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'seed = 9\n[data]\npath = "{toy_run.data}"\n[training]\nmargin = 0.4\nmax_steps = 9\n')
    outcome = run_cli("train", "--config", config, "--out", tmp_path / "run", *QUICKEST)
    assert outcome.code == 0, outcome.err
    settings = read_json(tmp_path / "run" / "settings.json")
    assert (settings["seed"], settings["training"]["margin"], settings["training"]["max_steps"]) == (9, 0.4, 2)


def test_the_same_command_gives_the_same_bundle(toy_run: ToyRun, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        assert run_cli("train", "--data", toy_run.data, "--out", folder, *QUICKEST).code == 0
    one, two = (bundle_vectors(folder / "bundle") for folder in folders)
    assert (one == two).all()


def test_other_settings_in_the_same_folder_name_restart(toy_run: ToyRun, tmp_path: Path) -> None:
    arguments = ("train", "--data", toy_run.data, "--out", tmp_path / "run", *QUICKEST)
    assert run_cli(*arguments).code == 0
    refused = run_cli(*arguments, "--set", "training.margin=0.4")
    assert refused.code == 4
    assert "pass --restart to begin anew" in refused.err
    assert read_json(tmp_path / "run" / "settings.json")["training"]["margin"] != 0.4
    assert run_cli(*arguments, "--set", "training.margin=0.4", "--restart").code == 0
    assert read_json(tmp_path / "run" / "settings.json")["training"]["margin"] == 0.4


def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text("[training]\nmargn = 0.4\n")
    outcome = run_cli("train", "--config", config, "--set", "model.fusion=gmuu", "--set", "seed=-1", "--data", tmp_path)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err.splitlines() == [
        f"Error: 3 faults in {config}:",
        "  - seed must be greater than or equal to 0, got -1",
        "  - model.fusion must be 'gmu', 'concat' or 'sum', got 'gmuu'; did you mean 'gmu'?",
        "  - training.margn is not a setting; did you mean training.margin?",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--data", "{tmp}/none"), 3, "Error: {tmp}/none: the data set does not exist"),
        (("--data", "{tmp}"), 3, "no known layout"),
        (("--config", "{tmp}/none.toml"), 2, "the settings file {tmp}/none.toml does not exist"),
        ((), 2, "no data set is named; pass --data FOLDER or set data.path"),
        (("--data", "{tmp}", "--set", "negatives.sampler=hardset"), 2, "did you mean 'hardest'"),
        (("--data", "{tmp}", "--set", "data.layout=generc"), 2, "did you mean 'generic'"),
        (("--data", "{toy}", "--set", "data.dev_split=valid"), 3, "no mentions in split 'valid' (it has: train, dev, test)"),
        (("--data", "{toy}", "--set", "features.image_encoder={tmp}/none"), 5, "{tmp}/none"),
        (("--data", "{toy}", "--set", "features.text_encoder=minilmm"), 5, "Did you mean 'minilm'?"),
        (("--data", "{toy}", "--out", "{tmp}/file"), 2, "{tmp}/file is a file; name another folder with --out"),
    ],
)
def test_bad_input_is_told_clearly(toy_run: ToyRun, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    (tmp_path / "file").write_text("mine")
    filled = [argument.format(tmp=tmp_path, toy=toy_run.data) for argument in arguments]
    outcome = run_cli("train", "--out", tmp_path / "run", *QUICKEST, *filled)
    assert outcome.code == code
    assert message.format(tmp=tmp_path) in outcome.err
    assert "Traceback" not in outcome.err
    assert "bug" not in outcome.err
    assert outcome.out == ""
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_faulty_data_name_file_line_and_cure(toy_run: ToyRun, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_run.data, data)
    with (data / "train.jsonl").open("a") as file:
        file.write("oops\n" + json.dumps({"id": "x", "mention": "Alder", "context": "Alder", "entity_id": "E99"}) + "\n")
    arguments = ("train", "--data", data, "--out", tmp_path / "run", *QUICKEST)
    outcome = run_cli(*arguments)
    assert outcome.code == 3
    assert f"{data / 'train.jsonl'}, line 73" in outcome.err
    assert "--on-error skip (data.on_error in settings)" in outcome.err
    assert run_cli(*arguments, "--set", "data.on_error=skip").code == 0


def test_a_path_with_brackets_is_printed_as_it_is(toy_run: ToyRun, tmp_path: Path) -> None:
    data = tmp_path / "toy [red]data[/nope]"
    shutil.copytree(toy_run.data, data)
    out = tmp_path / "[bold]run"
    outcome = run_cli("train", "--data", data, "--out", out, *QUICKEST)
    assert outcome.code == 0, outcome.err
    assert f"bundle: {out / 'bundle'}\n" in outcome.out
    assert f"{data.name}, dev" in outcome.out


def test_a_bundle_folder_of_something_else_is_kept(toy_run: ToyRun, tmp_path: Path) -> None:
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    (tmp_path / "run" / "bundle" / "letter.txt").write_text("dear")
    outcome = run_cli("train", "--data", toy_run.data, "--out", tmp_path / "run", *QUICKEST)
    assert outcome.code == BundleError.exit_code
    assert "is not empty and no bundle" in outcome.err
    assert (tmp_path / "run" / "bundle" / "letter.txt").read_text() == "dear"


def test_mentions_without_context_or_annotation_are_no_obstacle(toy_run: ToyRun, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(toy_run.data, data)
    rows = [*read_lines(data / "dev.jsonl"), {"id": "x", "mention": "Alder", "context": ""}]
    write_lines(data / "dev.jsonl", rows)
    outcome = run_cli("train", "--data", data, "--out", tmp_path / "run", *QUICKEST)
    assert outcome.code == 0, outcome.err
    assert "1 mentions of dev were not ranked: gold missing or not in the KB" in outcome.out
