"""An entity as a small page: the preview that clients show in a frame, and the view that they link to."""

import base64
import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pgmel.records import Entity

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page_policy", "render_entity"]

_MOST_ALIASES: Final = 5
_MOST_CHARACTERS: Final = 220


def render_entity(entity: Entity, types: Sequence[str], picture: str | None, whole: bool) -> str:
    """Return the page.

    Args:
        entity: Whom it shows.
        types: Names of its types.
        picture: Address of its picture, or None.
        whole: Whether it shows everything; else what fits into a preview.
    """
    aliases = entity.aliases if whole else entity.aliases[:_MOST_ALIASES]
    description = entity.description
    if not whole and len(description) > _MOST_CHARACTERS:
        description = description[:_MOST_CHARACTERS].rsplit(" ", 1)[0] + " …"
    template = _templates().get_template("entity.html.jinja")
    return template.render(
        entity=entity, aliases=aliases, description=description, types=types, picture=picture, whole=whole, style=_style()
    )


@lru_cache(maxsize=1)
def page_policy() -> str:
    """Return the page's content security policy, but for who may embed it: its own style and pictures, nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors "


@lru_cache(maxsize=1)
def _style() -> str:
    return _templates().get_template("entity.css.jinja").render().strip()


@lru_cache(maxsize=1)
def _templates() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("pgmel.interfaces.http.reconciliation", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
