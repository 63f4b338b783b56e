"""Service manifests of both versions of the API."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from pgmel.interfaces.http.limits import Limits
from pgmel.interfaces.http.reconciliation.options import ID_TEMPLATE, ReconciliationOptions
from pgmel.interfaces.http.reconciliation.types import Type
from pgmel.version import __version__

__all__ = ["DRAFT", "PREVIEW_SIZE", "VERSION", "About", "draft_manifest", "manifest"]

VERSION: Final = "0.2"
DRAFT: Final = "1.0-draft"
PREVIEW_SIZE: Final = (430, 220)
"""Width and height of the frame that a preview fits into, in pixels."""

_MOST_TYPES: Final = 10
_SETTINGS: Final = (
    {
        "type": "number",
        "id": "limit",
        "name": "Most values",
        "help": "How many values of a property each entity gets at most; 0 for all",
        "default": 0,
    },
    {
        "type": "select",
        "id": "lists",
        "name": "Lists",
        "help": "Whether an attribute such as 'red; green' gives two values or one",
        "default": "separate",
        "choices": [{"value": "separate", "name": "a value for each part"}, {"value": "together", "name": "one value"}],
    },
)
"""What a client can say of a property when it extends data."""


@final
@dataclass(frozen=True, slots=True)
class About:
    """What a manifest tells.

    ``base`` is the address of the server's root and ``root`` that of the service, ``name`` the service's name, ``types`` the most frequent
    types; ``token`` says whether queries need a token.
    """

    base: str
    root: str
    name: str
    types: Sequence[Type]
    options: ReconciliationOptions
    limits: Limits
    token: bool

    @property
    def view(self) -> str:
        """Address of an entity's page, with a place for the id."""
        return self.options.view_url or f"{self.root}/view?id={ID_TEMPLATE}"


def manifest(about: About) -> dict[str, Any]:
    """Return the manifest of version 0.2, as OpenRefine reads it."""
    root, options = about.root, about.options
    width, height = PREVIEW_SIZE
    keys = {"id": "name", "name": "label", "help": "help_text"}
    return {
        "versions": [VERSION],
        **_shared(about),
        "identifierSpace": options.identifier_space or f"{about.base}/entities/",
        "schemaSpace": options.schema_space,
        "view": {"url": about.view},
        "preview": {"url": f"{root}/preview?id={ID_TEMPLATE}", "width": width, "height": height},
        "suggest": {kind: {"service_url": root, "service_path": f"/suggest/{kind}"} for kind in ("entity", "type", "property")},
        "extend": {
            "propose_properties": {"service_url": root, "service_path": "/properties"},
            "property_settings": [{keys.get(key, key): value for key, value in setting.items()} for setting in _SETTINGS],
        },
    }


def draft_manifest(about: About) -> dict[str, Any]:
    """Return the manifest of version 1.0-draft."""
    width, height = PREVIEW_SIZE
    return {
        "versions": [DRAFT],
        **_shared(about),
        "view": {"url": about.view.replace(ID_TEMPLATE, "{id}")},
        "preview": {"width": width, "height": height},
        "suggest": {"entity": True, "type": True, "property": True},
        "extend": {
            "proposeProperties": True,
            "propertySettings": [{"helpText" if key == "help" else key: value for key, value in setting.items()} for setting in _SETTINGS],
        },
        "standardizedScore": True,
    }


def _shared(about: About) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": about.name,
        "documentation": f"{about.base}/docs",
        "logo": f"{about.base}/static/icon.svg",
        "serviceVersion": __version__,
        "defaultTypes": [{"id": one.id, "name": one.name} for one in about.types[:_MOST_TYPES]],
        "batchSize": about.limits.mentions,
    }
    if about.token:
        how = "Send the header Authorization with the value Bearer TOKEN"
        found["authentication"] = {"type": "apiKey", "name": "Authorization", "in": "header", "description": how}
    return found
