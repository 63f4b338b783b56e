"""Between ``Entity`` and the values of one table row."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from pgmel.errors import DataError
from pgmel.files import hash_bytes
from pgmel.records import NIL_TEXT, Entity

__all__ = ["FINGERPRINT_MODULUS", "check_entity", "decode_attributes", "entity_from_values", "fingerprint_of", "values_of"]

FINGERPRINT_MODULUS = 1 << 128
"""Fingerprints of rows are added modulo this, so that changing one row changes the sum without reading the others."""

_strings = msgspec.json.Decoder(list[str])
_string_map = msgspec.json.Decoder(dict[str, str])


def check_entity(entity: Entity, row: int) -> None:
    """Check what the store relies on.

    Raises:
        DataError: If the id is empty, ``NIL``, or holds a NUL character.
    """
    place = f"entity {row + 1}"
    if not entity.id:
        raise DataError(f"the id is empty (name {entity.name!r})", place=place, fix="Give every entity an id of its own")
    if entity.id == NIL_TEXT:
        raise DataError(f"the id {NIL_TEXT!r} is reserved for mentions without an entity", place=place, fix="Give the entity another id")
    if "\x00" in entity.id:
        raise DataError(f"the id {entity.id!r} holds a NUL character", place=place, fix="Remove it")


def values_of(entity: Entity, row: int, image_root: Path | None) -> tuple[int, str, str, str, str | None, str | None, str | None]:
    """Return the values of an entity's table row, in the order of the columns.

    Raises:
        DataError: If a text is no valid Unicode (half of a surrogate pair).
    """
    check_entity(entity, row)
    images = [_stored_path(image, image_root) for image in entity.images]
    try:
        for text in (entity.id, entity.name, entity.description):
            text.encode()
        return (
            row,
            entity.id,
            entity.name,
            entity.description,
            _json_or_none(entity.aliases),
            _json_or_none(images),
            _json_or_none(dict(entity.attributes)),
        )
    except UnicodeEncodeError as error:
        rule = f"a text of the entity {entity.id!r} is not valid Unicode ({error.reason})"
        raise DataError(rule, place=f"entity {row + 1}", fix="Correct or remove that character") from None


def entity_from_values(values: Sequence[Any], image_root: Path | None) -> Entity:
    """Build the entity from (id, name, description, aliases, images, attributes).

    Raises:
        msgspec.DecodeError: If the JSON in a column is damaged.
    """
    entity_id, name, description, aliases, images, attributes = values
    paths = _strings.decode(images) if images else ()
    return Entity(
        id=entity_id,
        name=name,
        aliases=tuple(_strings.decode(aliases)) if aliases else (),
        description=description,
        images=tuple(Path(os.path.join(image_root or "", path)) for path in paths),  # noqa: PTH118 - twice as fast as pathlib
        attributes=_string_map.decode(attributes) if attributes else {},
    )


def decode_attributes(text: str) -> dict[str, str]:
    """Return the attributes that a row's column holds.

    Raises:
        msgspec.DecodeError: If they are damaged.
    """
    return _string_map.decode(text)


def fingerprint_of(values: Sequence[Any]) -> int:
    """Return the fingerprint of one table row."""
    return int(hash_bytes(msgspec.json.encode(values)), 16)


def _json_or_none(value: Any) -> str | None:
    return msgspec.json.encode(value).decode() if value else None


def _stored_path(image: Path, image_root: Path | None) -> str:
    # Plain text, because a million paths through pathlib take half a minute.
    text = str(image) if image.is_absolute() else str(image.absolute())
    root = "" if image_root is None else f"{image_root}/"
    return text[len(root) :] if root and text.startswith(root) else text
