"""Call ``pgmel data`` in this process."""

import json
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from pgmel.errors import PgmelError
from pgmel.interfaces.cli import app

__all__ = ["fail", "flatten", "run", "run_json"]


def run(*arguments: object, width: int = 200) -> Result:
    """Run a command on a screen that wide."""
    return CliRunner(env={"COLUMNS": str(width)}).invoke(app, ["data", *map(str, arguments)])


def run_json(*arguments: object) -> Any:
    """Run a command that ends well, and return the one JSON value that it prints."""
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def fail(*arguments: object) -> PgmelError:
    """Run a command that prints nothing, and return the error that it ends with."""
    result = run(*arguments)
    assert isinstance(result.exception, PgmelError), result.output
    assert result.stdout == ""
    return result.exception


def flatten(output: str) -> str:
    """Return tables without their rules and with single spaces."""
    return " ".join(output.replace("│", " ").split())
