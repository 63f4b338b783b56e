"""``pgmel settings`` from the outside."""

import pytest
from pydantic import BaseModel
from toy_runs import run_cli

from pgmel.settings import Settings, settings_from


def leaves(group: BaseModel, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in group:
        found |= leaves(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else {prefix + name: value}
    return found


def test_every_setting_is_listed_with_default_and_meaning() -> None:
    found = run_cli("settings", "--json").json()
    assert {name: row["default"] for name, row in found.items()} == leaves(Settings())
    assert all(row["description"] for row in found.values())


def test_the_listed_defaults_are_settings() -> None:
    values: dict[str, dict[str, object]] = {}
    for name, row in run_cli("settings", "--json").json().items():
        group, _, key = name.rpartition(".")
        if group:
            values.setdefault(group, {})[key] = row["default"]
    assert settings_from(values) == Settings()


def test_the_table_shows_them_too() -> None:
    outcome = run_cli("settings")
    assert outcome.code == 0
    for name in leaves(Settings()):
        assert f"│ {name} " in outcome.out, name


def test_one_group_can_be_asked_for() -> None:
    found = run_cli("settings", "index", "--json").json()
    assert list(found) == ["index.kind", "index.exact_limit", "index.nprobe", "index.refine"]


@pytest.mark.parametrize(
    ("group", "hint"), [("trainin", "did you mean training?"), ("seed", "groups: data, features"), ("xyz", "groups: ")]
)
def test_an_unknown_group_is_told_which_there_are(group: str, hint: str) -> None:
    outcome = run_cli("settings", group)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"'{group}' is not a group of settings" in outcome.err
    assert hint in outcome.err
