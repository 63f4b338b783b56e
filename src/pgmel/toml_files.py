"""Read TOML files and overrides of them, and report everything that is wrong with them at once."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pgmel.errors import SettingError
from pgmel.registry import nearest

__all__ = ["apply_overrides", "describe_fault", "raise_faults", "read_toml"]


def read_toml(file: Path, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        file: The file.
        what: What it is, for the message: ``settings file``.

    Raises:
        SettingError: If it is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingError(f"the {what} {file} does not exist") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the {what} {file} cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{file}: not valid TOML: {error}") from None


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Change nested values in place, and return what is wrong with the overrides.

    Args:
        values: One mapping per group.
        overrides: ``group.key=value`` texts; the value is read as TOML, and as plain text where it is none.
    """
    faults: list[str] = []
    for override in overrides:
        key, equals, text = override.partition("=")
        path = key.strip().split(".")
        if not equals or not all(path):
            faults.append(f"--set {override}: write it as group.key=value, for example training.margin=0.3")
            continue
        table = values
        for part in path[:-1]:
            inner = table.setdefault(part, {})
            if not isinstance(inner, dict):
                faults.append(f"--set {override}: {part} is a value, not a group of settings")
                break
            table = inner
        else:
            table[path[-1]] = _parse_value(text.strip())
    return faults


def raise_faults(faults: Sequence[str], origin: str) -> None:
    """Raise one error that lists every fault; without faults do nothing.

    Args:
        faults: One sentence each.
        origin: Where they were found, for the message.

    Raises:
        SettingError: If there are any.
    """
    if faults:
        raise SettingError(f"{len(faults)} fault{'s' * (len(faults) > 1)} in {origin}:\n" + "\n".join(f"  - {fault}" for fault in faults))


def describe_fault(fault: Any) -> str:
    """Return one fault that pydantic found, as one sentence that names the place, the rule and what was given."""
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "path_type":
        return f"{name} must be a path, got {fault['input']!r}"
    if fault["type"] == "value_error":
        return f"{name}: {fault['ctx']['error']}"
    if fault["type"] == "too_short":
        least = fault["ctx"]["min_length"]
        return f"{name} must have at least {least} value{'s' * (least != 1)}, got {fault['input']!r}"
    rule = str(fault["msg"]).removeprefix("Input should be ")
    rule = {"a valid tuple": "a list", "a valid dictionary": "a table", "a valid mapping": "a table"}.get(rule, rule)  # as TOML calls them
    if fault["type"] == "literal_error" and (guess := nearest(str(fault["input"]), re.findall(r"'([^']*)'", fault["ctx"]["expected"]))):
        return f"{name} must be {rule}, got {fault['input']!r}; did you mean {guess!r}?"
    return f"{name} must be {rule}, got {fault['input']!r}"


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text
