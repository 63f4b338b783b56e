"""Settings: their rules, where they come from, and what is said of wrong ones."""

import ast
import importlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

import pgmel
from pgmel.errors import SettingError
from pgmel.settings import Settings, read_settings, settings_from

SOURCE = Path(pgmel.__file__).parent


def leaves(group: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, field in group.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from leaves(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    return file


def faults_of(*overrides: str, file: Path | None = None) -> list[str]:
    with pytest.raises(SettingError) as caught:
        read_settings(file, overrides)
    head, *lines = str(caught.value).splitlines()
    assert head.split(" in ")[0] == f"{len(lines)} fault" + "s" * (len(lines) > 1)
    return [line.removeprefix("  - ") for line in lines]


def test_defaults_follow_their_own_rules() -> None:
    assert settings_from(Settings().model_dump()) == Settings() == read_settings()


def test_settings_cannot_be_changed() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.training.margin = 0.3  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        settings.seed = 3  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in leaves(Settings) if not (field.description or "").rstrip().endswith(".")] == []


def test_every_setting_is_read_somewhere() -> None:
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in SOURCE.rglob("*.py") if file.parent.name != "settings"]
    read = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert [name for name, _ in leaves(Settings) if name.split(".")[-1] not in read] == []


def test_file_overrides_defaults_and_command_line_overrides_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "seed = 5\n[training]\nmargin = 0.4\nepochs = 7\n[linking]\nnil = false\n")
    settings = read_settings(file, ["training.margin=0.3"])
    assert (settings.seed, settings.training.margin, settings.training.epochs, settings.linking.nil) == (5, 0.3, 7, False)
    assert settings.training.patience == Settings().training.patience


def test_the_last_of_several_overrides_holds() -> None:
    assert read_settings(None, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("training.margin=0.25", 0.25),
        (" training.margin = 0.25 ", 0.25),
        ("training.margin=1", 1.0),
        ("training.max_steps=12", 12),
        ("linking.nil=false", False),
        ("features.text_encoder=none", "none"),
        ('features.text_encoder="none"', "none"),
        ("features.text_encoder=models/a=b", "models/a=b"),
        ("features.text_encoder=org/model-v1.5", "org/model-v1.5"),
        ("data.path=/some/folder with spaces", Path("/some/folder with spaces")),
        ("seed=7", 7),
    ],
)
def test_override_is_read_as_toml_or_else_as_text(override: str, value: object) -> None:
    settings: Any = read_settings(None, [override])
    for part in override.split("=")[0].strip().split("."):
        settings = getattr(settings, part)
    assert settings == value
    assert type(settings) is type(value)


def test_all_faults_of_file_and_command_line_come_at_once(tmp_path: Path) -> None:
    file = write(tmp_path, "sede = 3\n[training]\nmargin = -0.2\nmargn = 3\n[model]\nfusion = 'gum'\n")
    found = faults_of("training.epochs=-1", "linking.nil=perhaps", "nonsense", file=file)
    assert len(found) == 7
    for part in ("sede", "training.margin ", "training.margn", "model.fusion", "training.epochs", "linking.nil", "--set nonsense"):
        assert sum(fault.startswith(part) for fault in found) == 1, part


def test_message_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "sede = 3\n")
    with pytest.raises(SettingError, match=f"1 fault in {file}:"):
        read_settings(file)
    with pytest.raises(SettingError, match="1 fault in the command line:"):
        read_settings(None, ["sede=3"])


@pytest.mark.parametrize(
    ("override", "guess"),
    [
        ("training.margn=1", "did you mean training.margin?"),
        ("trainig.margin=1", "did you mean training?"),
        ("margin=1", "did you mean training.margin?"),
        ("top_k=1", "did you mean linking.top_k?"),
        ("qqqqqqq=1", "`pgmel settings` lists all"),
    ],
)
def test_unknown_setting_leads_to_the_nearest(override: str, guess: str) -> None:
    [fault] = faults_of(override)
    assert fault.endswith(guess)
    assert "is not a setting" in fault


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ("training.margin=0", "training.margin must be greater than 0, got 0"),
        ("training.margin=nan", "training.margin must be a finite number, got nan"),
        ("training.margin=wide", "training.margin must be a valid number, unable to parse string as a number, got 'wide'"),
        ("model.dropout=1", "model.dropout must be less than 1, got 1"),
        ("model.fusion=gmuu", "model.fusion must be 'gmu', 'concat' or 'sum', got 'gmuu'; did you mean 'gmu'?"),
        ("negatives.pool_size=1", "negatives.pool_size must be greater than or equal to 2, got 1"),
        ("generator.draws=1", "generator: baseline = leave_one_out needs draws >= 2"),
        ("generator.clip_range=1", "generator.clip_range must be less than 1, got 1"),
        ("training.epochs=2.5", "training.epochs must be a valid integer, got a number with a fractional part, got 2.5"),
        ("training.max_steps=0", "training.max_steps must be greater than or equal to 1, got 0"),
        ("data.path=3", "data.path must be a path, got 3"),
        ("seed=-1", "seed must be greater than or equal to 0, got -1"),
        ("features.text_encoder=3", "features.text_encoder must be a valid string, got 3"),
    ],
)
def test_wrong_value_is_named_with_its_rule(override: str, rule: str) -> None:
    assert faults_of(override) == [rule]


CHOICES = {
    "data.layout": ("pgmel.datasets", "LAYOUTS", {"auto"}),
    "model.fusion": ("pgmel.models", "FUSIONS", set()),
    "negatives.sampler": ("pgmel.negatives", "SAMPLERS", set()),
    "generator.reward": ("pgmel.objectives", "REWARDS", set()),
    "generator.baseline": ("pgmel.objectives", "BASELINES", set()),
    "generator.estimator": ("pgmel.objectives", "ESTIMATORS", set()),
    "index.kind": ("pgmel.index.entity_index", "KINDS", set()),
    "linking.candidates": ("pgmel.candidates.fusion", "CANDIDATE_SOURCES", set()),
    "evaluation.protocol": ("pgmel.evaluation", "PROTOCOLS", set()),
}
"""Setting to the registry that its choices come from (module and name), and what may be chosen besides."""


@pytest.mark.parametrize("setting", CHOICES)
def test_choices_are_those_of_the_registry(setting: str) -> None:
    module, name, besides = CHOICES[setting]
    registry = getattr(importlib.import_module(module), name)
    assert set(get_args(dict(leaves(Settings))[setting].annotation)) == {*registry, *besides}


def test_pretraining_knows_every_sampler_that_needs_no_policy() -> None:
    known = dict(leaves(Settings))
    fixed, none = get_args(known["training.pretrain_sampler"].annotation)
    assert none is type(None)
    assert set(get_args(fixed)) == set(get_args(known["negatives.sampler"].annotation)) - {"generator", "kbgan", "irgan"}


@pytest.mark.parametrize(
    ("overrides", "sampler"),
    [
        ([], "hardest"),
        (["negatives.sampler=uniform"], "uniform"),
        (["negatives.sampler=generator"], "softmax"),
        (["negatives.sampler=generator", "training.pretrain_sampler=ance"], "ance"),
    ],
)
def test_pretraining_follows_a_fixed_rule_and_precedes_a_policy_by_softmax(overrides: list[str], sampler: str) -> None:
    assert read_settings(None, overrides).pretrain_sampler == sampler


def test_max_likelihood_needs_a_second_draw() -> None:
    [fault] = faults_of("generator.draws=1", "generator.baseline=none", "generator.estimator=max_likelihood")
    assert fault == "generator: estimator = max_likelihood needs draws >= 2"


def test_other_baselines_need_no_second_draw() -> None:
    assert read_settings(None, ["generator.draws=1", "generator.baseline=moving_average"]).generator.draws == 1


@pytest.mark.parametrize("override", ["margin", "=3", "training.=3", ".margin=3", "training..margin=3"])
def test_override_of_the_wrong_form_shows_the_right_one(override: str) -> None:
    assert faults_of(override) == [f"--set {override}: write it as group.key=value, for example training.margin=0.3"]


def test_override_below_a_value_is_a_fault() -> None:
    assert faults_of("seed=3", "seed.x=3") == ["--set seed.x=3: seed is a value, not a group of settings"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none\.toml does not exist"):
        read_settings(tmp_path / "none.toml")


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"{tmp_path} cannot be read"):
        read_settings(tmp_path)


def test_a_binary_file_is_no_settings_file(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingError, match="cannot be read"):
        read_settings(tmp_path / "run.toml")


def test_a_fault_of_toml_is_given_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"run\.toml: not valid TOML.*line 2"):
        read_settings(write(tmp_path, "seed = 1\nthis is no toml\n"))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_override_gives_settings_or_a_setting_error(key: str, value: str) -> None:
    for override in (f"{key}={value}", f"training.margin={value}", f"features.text_encoder={value}", f"data.path={value}", key):
        with suppress(SettingError):
            read_settings(None, [override])


@pytest.mark.parametrize("text", ["[" * 5000, "9" * 5000, "1e999", "2021-13-45", "{a = 1}"])
def test_values_that_no_number_is_made_of_are_faults(text: str) -> None:
    assert len(faults_of(f"training.margin={text}")) == 1


@given(
    seed=st.integers(0, 2**31 - 1),
    margin=st.floats(min_value=1e-6, max_value=10),
    path=st.none() | st.just(Path("a/b")),
    max_steps=st.none() | st.integers(1, 10**6),
)
def test_settings_come_back_from_json(seed: int, margin: float, path: Path | None, max_steps: int | None) -> None:
    settings = settings_from({"seed": seed, "data": {"path": path}, "training": {"margin": margin, "max_steps": max_steps}})
    assert settings_from(settings.model_dump(mode="json")) == settings
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


@pytest.mark.parametrize("mode", ["none", "last-1", "last-12", "lora", "full"])
def test_modes_of_encoder_training_are_read(mode: str) -> None:
    assert read_settings(None, [f"features.train_encoder={mode}"]).features.train_encoder == mode


@pytest.mark.parametrize("mode", ["last", "last-0", "last-x", "Lora", "all"])
def test_a_wrong_mode_of_encoder_training_is_answered_with_the_right_ones(mode: str) -> None:
    [fault] = faults_of(f"features.train_encoder={mode}")
    assert fault == f"features.train_encoder: must be none, lora, full, or last-N with a number N (last-2), got {mode!r}"


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        (["features.text_encoder=none"], "needs a text encoder, but text_encoder is none"),
        (["features.name_weight=0", "features.context_weight=0"], "needs name_weight or context_weight above 0"),
    ],
)
def test_encoder_training_needs_an_encoder_that_is_read(overrides: list[str], rule: str) -> None:
    [fault] = faults_of("features.train_encoder=lora", *overrides)
    assert fault.startswith("features: train_encoder = lora ")
    assert rule in fault
    assert read_settings(None, overrides).features.train_encoder == "none"
