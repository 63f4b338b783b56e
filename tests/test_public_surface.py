"""What the package offers, and what it costs to import."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

import pgmel

SOURCE = Path(pgmel.__file__).parent
FILES = {
    ".".join(["pgmel", *file.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__"): file
    for file in sorted(SOURCE.rglob("*.py"))
    if file.name != "__main__.py"
}
ROOMS = [name for name, file in FILES.items() if file.name == "__init__.py"]
HEAVY = ("torch", "transformers", "onnxruntime", "pyarrow", "sklearn", "faiss", "matplotlib", "tensorboard")


def parse(name: str) -> ast.Module:
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def exported(name: str) -> list[str]:
    """Return a module's ``__all__``, read without importing it; empty if it has none."""
    for node in parse(name).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value))
    return []


def defined(name: str) -> set[str]:
    """Return the names that a module defines itself."""
    found: set[str] = set()
    for node in parse(name).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return {item for item in found if not item.startswith("__")} | ({"__version__"} & found)


def re_exported(name: str) -> set[str]:
    """Return the names that a package takes from its own modules, those for type checkers too."""
    nodes = [node for node in ast.walk(parse(name)) if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pgmel")]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


@pytest.mark.parametrize("name", FILES)
def test_all_lists_only_what_exists(name: str) -> None:
    module: ModuleType = importlib.import_module(name)
    assert [item for item in exported(name) if not hasattr(module, item)] == []
    assert len(exported(name)) == len(set(exported(name)))


@pytest.mark.parametrize("name", [name for name in FILES if name not in ROOMS])
def test_every_module_says_what_it_offers(name: str) -> None:
    assert exported(name)
    assert set(exported(name)) <= defined(name)


@pytest.mark.parametrize("name", ROOMS)
def test_a_room_offers_what_it_re_exports(name: str) -> None:
    offered = set(exported(name))
    used = {node.id for node in ast.walk(parse(name)) if isinstance(node, ast.Name)}
    assert offered <= re_exported(name) | defined(name)
    assert re_exported(name) - offered - used == set(), "imported for nothing, or forgotten in __all__"


@pytest.mark.parametrize("name", FILES)
def test_modules_take_from_one_another_only_what_is_offered(name: str) -> None:
    hidden = []
    for node in ast.walk(parse(name)):
        if isinstance(node, ast.ImportFrom) and node.module in FILES:
            names = [alias.name for alias in node.names if f"{node.module}.{alias.name}" not in FILES]
            hidden += [f"{node.module}.{item}" for item in names if item not in exported(node.module)]
    assert hidden == []


@pytest.mark.parametrize("name", FILES)
def test_every_module_has_a_docstring(name: str) -> None:
    assert ast.get_docstring(parse(name))


def test_the_package_offers_records_and_the_linker() -> None:
    from pgmel.linking import Linker

    assert pgmel.Linker is Linker
    with pytest.raises(AttributeError, match="no attribute 'Linkr'"):
        pgmel.Linkr  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_that_of_the_installed_package() -> None:
    assert pgmel.__version__ == version("pgmel")


def test_types_are_offered() -> None:
    assert (SOURCE / "py.typed").is_file()


COMMAND = """
import sys
from pgmel.interfaces.cli import main
sys.argv = ["pgmel", *{arguments}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""


@pytest.mark.parametrize("arguments", [None, ["--help"], ["train", "--help"], ["settings"], ["data", "layouts"]], ids=str)
def test_starting_loads_nothing_heavy(arguments: list[str] | None) -> None:
    run = "import pgmel, sys" if arguments is None else COMMAND.format(arguments=arguments)
    code = f"{run}\nprint([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stderr.splitlines()[-1] == "[]"


def test_torchvision_is_absent() -> None:
    # A torchvision built for another torch fails on import and takes every transformers model with it.
    assert importlib.util.find_spec("torchvision") is None
