"""``pgmel settings``: list every setting, its default and what it means."""

from typing import Annotated

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pgmel.errors import SettingError
from pgmel.files import encode_json
from pgmel.registry import nearest
from pgmel.settings import Settings

__all__ = ["settings"]


def settings(
    group: Annotated[str | None, typer.Argument(help="Show this group only.", show_default=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
) -> None:
    """List every setting with its default and meaning; use them in TOML files and with --set."""
    rows = list(_rows(Settings(), ""))
    if group is not None:
        groups = [name for name, field in Settings().__dict__.items() if isinstance(field, BaseModel)]
        if group not in groups:
            guess = nearest(group, groups)
            raise SettingError(
                f"{group!r} is not a group of settings{f'; did you mean {guess}?' if guess else ''} (groups: {', '.join(groups)})"
            )
        rows = [row for row in rows if row[0].startswith(f"{group}.")]
    if as_json:
        typer.echo(encode_json({name: {"default": default, "description": text} for name, default, text in rows}))
        return
    table = Table("setting", "default", "meaning")
    for name, default, text in rows:
        table.add_row(name, escape(repr(default)), escape(text))
    Console().print(table)


def _rows(values: BaseModel, prefix: str) -> list[tuple[str, object, str]]:
    rows: list[tuple[str, object, str]] = []
    for name, field in type(values).model_fields.items():
        value = getattr(values, name)
        if isinstance(value, BaseModel):
            rows += _rows(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, value, field.description or ""))
    return rows
