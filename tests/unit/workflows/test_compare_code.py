"""The state of the code that runs are marked with, and the settings that decide what is encoded."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import pgmel
from pgmel.features import Encoders
from pgmel.settings import FeatureSettings, Settings, read_settings
from pgmel.workflows.compare import code_state, pool
from pgmel.workflows.compare.plan import Cell
from pgmel.workflows.compare.single import Task, material_key
from pgmel.workflows.material import make_encoders

SOURCE = Path(pgmel.__file__).parent
HARMLESS = (
    *("errors", "files", "progress", "registry", "settings", "toml_files", "version", "kb", "index", "linking", "evaluation"),
    *(f"workflows.compare.{name}" for name in ("code_state", "matrix", "plan", "record")),
    *(f"workflows.{name}" for name in ("deciding", "finetuning", "misspelling", "reranking", "second_stage")),
)
"""What a run loads though its scores do not depend on it: settings are compared one by one, links are decided after what is compared."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Files in the places of those that count, instead of the real ones."""
    for part in code_state._PARTS:
        file = tmp_path / part if part.endswith(".py") else tmp_path / part / "module.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("a = 1\n")
    monkeypatch.setattr(pgmel, "__file__", str(tmp_path / "__init__.py"))
    code_state.code_digest.cache_clear()
    yield tmp_path
    code_state.code_digest.cache_clear()


def digest() -> str:
    code_state.code_digest.cache_clear()
    return code_state.code_digest()


def module_file(name: str) -> Path | None:
    stem = SOURCE / name.replace(".", "/")
    return next((file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.exists()), None)


def loaded_by(name: str, seen: dict[str, Path]) -> dict[str, Path]:
    """Add a module and all modules of the package that it imports, directly or not, wherever in it."""
    file = module_file(name)
    if file is None or name in seen:
        return seen
    seen[name] = file
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pgmel."):
            base = (node.module or "").removeprefix("pgmel.")
            for found in (base, *(f"{base}.{alias.name}" for alias in node.names)):
                loaded_by(found, seen)
    return seen


@pytest.mark.parametrize("part", code_state._PARTS)
def test_every_part_that_counts_is_there(part: str) -> None:
    assert (SOURCE / part).exists()


def test_whatever_a_run_loads_counts_or_is_known_to_change_no_score() -> None:
    counted = [part.removesuffix(".py").replace("/", ".") for part in code_state._PARTS]
    loaded = loaded_by("workflows.compare.single", {})
    assert {"training.trainer", "datasets.melbench", "workflows.neighbours"} <= set(loaded)
    new = [name for name in sorted(loaded) if not f"{name}.".startswith(tuple(f"{part}." for part in (*counted, *HARMLESS)))]
    assert not new, f"add {new} to _PARTS of code_state.py if a run's scores depend on it, else to HARMLESS here"


@pytest.mark.parametrize("file", ["datasets/module.py", "features/deep/new.py", "evaluation/ranks.py", "workflows/train.py"])
def test_a_change_of_any_file_that_counts_gives_another_digest(package: Path, file: str) -> None:
    before = digest()
    (package / file).parent.mkdir(exist_ok=True)
    (package / file).write_text("a = 2\n")
    assert digest() != before


def test_other_files_count_for_nothing(package: Path) -> None:
    before = digest()
    (package / "linking").mkdir()
    (package / "linking" / "linker.py").write_text("a = 2\n")
    assert digest() == before


def test_the_code_is_that_with_which_a_process_began(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest()
    code_state.code_digest.cache_clear()
    found: list[str] = []

    def run(*_: Any) -> None:
        (package / "training" / "module.py").write_text("a = 2\n")  # somebody goes on working meanwhile
        found.append(code_state.code_digest())

    monkeypatch.setattr(pool, "run_cell", run)
    task = Task(Cell("d", "s", 0, "updates", Settings()), tmp_path, tmp_path, "f", {}, 1, 1)
    pool.run_tasks([task], 1, lambda _: [], show_progress=False)
    assert found == [before]


NUMBERS = [name for name, value in FeatureSettings().model_dump().items() if type(value) in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
def test_material_is_encoded_anew_only_where_encoders_are_others(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Encoders, "load", lambda **named: {key: value for key, value in named.items() if key != "batch_size"})
    sets = [read_settings(None, [f"features.{name}={value}"]) for value in (32, 64)]
    keys = {material_key(settings, Path("data")) for settings in sets}
    others = make_encoders(sets[0].features, "cpu") != make_encoders(sets[1].features, "cpu")
    assert len(keys) == 1 + others


@pytest.mark.parametrize(
    "override", ["features.parts_weight=1", "features.layout_weight=1", "features.text_encoder=none", "data.on_error=skip"]
)
def test_material_is_encoded_anew_for_other_channels_encoders_and_data(override: str) -> None:
    assert material_key(read_settings(None, [override]), Path("data")) != material_key(Settings(), Path("data"))
