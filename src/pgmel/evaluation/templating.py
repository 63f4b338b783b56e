"""The page templates of this package."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["load_templates"]


def load_templates(filters: Mapping[str, Callable[..., Any]]) -> "Environment":
    """Return the templates: all text is escaped, and a name that a page does not define is an error.

    Args:
        filters: What templates may call, by name.
    """
    # Imported here: no other part of an evaluation needs it, and the CLI should start fast.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pgmel.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment
