"""Imports point one way: up the order that the package's docstring gives."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgmel

SOURCE = Path(pgmel.__file__).parent
COMMON, *ROOMS = (re.findall(r"``([^`]+)``", part) for part in re.sub(r"\s+", " ", pgmel.__doc__ or "").split("→"))
ORDER = [room for named in ROOMS for room in named]
UNNUMBERED = {*COMMON[0].split(", "), "pictures", "version", "testing"}
MODULES = sorted(SOURCE.rglob("*.py"))


def name_of(file: Path) -> str:
    """Return the dotted name of a module, without ``pgmel``."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name, without ``pgmel``, of every import of our own, those inside functions and for types only too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[2]) for alias in node.names if alias.name.split(".")[0] == "pgmel")
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield node.lineno, "(relative)"
        elif isinstance(node, ast.ImportFrom) and node.module == "pgmel":
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pgmel."):
            yield node.lineno, (node.module or "").removeprefix("pgmel.")


def find_faults(module: str, source: str) -> list[str]:
    """Return what a module imports against the order."""
    room = module.split(".")[0]
    faults = []
    for line, name in imported(source):
        target = name.split(".")[0]
        if target == "(relative)":
            faults.append(f"line {line}: a relative import")
        elif target == "testing":
            faults.append(f"line {line}: {module} imports pgmel.testing, which is for tests")
        elif room in ORDER:
            if target in ORDER and ORDER.index(target) > ORDER.index(room):
                faults.append(f"line {line}: {room} imports {target}, which stands below it")
        elif room in UNNUMBERED - {"testing"} and target in ORDER:
            faults.append(f"line {line}: the common module {module} imports the room {target}")
    return faults


def test_the_docstring_names_every_room_and_only_those() -> None:
    packages = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file()}
    assert sorted(ORDER) == sorted(packages - UNNUMBERED)
    assert len(ORDER) == 13


def test_modules_outside_rooms_are_the_common_ones() -> None:
    modules = {file.stem for file in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    packages = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file()}
    assert modules | (packages - set(ORDER)) == UNNUMBERED


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_point_up(file: Path) -> None:
    assert find_faults(name_of(file), file.read_text(encoding="utf-8")) == []


def test_the_package_itself_imports_no_room_before_it_is_asked() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    at_once = [node.module if isinstance(node, ast.ImportFrom) else ast.unparse(node) for node in imports]
    assert at_once == ["typing", "pgmel.records", "pgmel.version"]


@pytest.mark.parametrize(
    ("module", "source", "num_faults"),
    [
        ("kb.store", "from pgmel.datasets import Dataset", 0),
        ("kb.store", "from pgmel.features import Encoders", 1),
        ("kb.store", "def f():\n    from pgmel.linking import Linker", 1),
        ("kb.store", "def f():\n    import pgmel.workflows.train as t", 1),
        ("kb.store", "from pgmel import linking", 1),
        ("kb.store", "from pgmel import Mention", 0),
        ("kb.store", "from . import codec", 1),
        ("kb.store", "from pgmel.kb.codec import decode", 0),
        ("files", "from pgmel.errors import DataError", 0),
        ("files", "from pgmel.datasets import Dataset", 1),
        ("linking.linker", "from pgmel.testing import toy_world", 1),
        ("testing", "from pgmel.features import Encoders", 0),
        ("interfaces.cli", "from pgmel.workflows.train import train", 0),
    ],
)
def test_the_check_finds_what_it_should(module: str, source: str, num_faults: int) -> None:
    assert len(find_faults(module, source)) == num_faults
