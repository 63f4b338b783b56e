"""Write a knowledge base as JSON lines: the ``kb.jsonl`` that a data set for training and measuring needs."""

from pathlib import Path
from typing import Any

import msgspec

from pgmel.errors import KnowledgeBaseError
from pgmel.files import atomic_path, find_obstacle
from pgmel.records import Entity
from pgmel.workflows.kb.places import find_kb

__all__ = ["export_kb"]


def export_kb(kb: Path, out: Path, overwrite: bool = False) -> int:
    """Write one entity a line, in the order of rows; parts that an entity lacks are left out.

    Args:
        kb: What ``pgmel kb build`` wrote, or a bundle.
        out: The file; ``pgmel kb build`` reads it again, and as ``kb.jsonl`` it is the KB of a data set.
        overwrite: Whether an old file may be replaced.

    Returns:
        Number of entities.

    Raises:
        KnowledgeBaseError: If there is no KB, or the file is there already or cannot be written.
    """
    place = find_kb(kb)
    _check_replaceable(out, place.file, overwrite)
    encode = msgspec.json.Encoder().encode
    try:
        with place.open() as store, atomic_path(out) as part, part.open("wb") as file:
            for entity in store.iter_entities():
                file.write(encode(_values(entity)) + b"\n")
            return len(store)
    except OSError as error:
        raise KnowledgeBaseError(f"{out} cannot be written: {error.strerror}") from None


def _check_replaceable(out: Path, kb: Path, overwrite: bool) -> None:
    if obstacle := find_obstacle(out):
        raise KnowledgeBaseError(f"{out} cannot be written: {obstacle}; name another file")
    if not out.exists():
        return
    if out.is_dir():
        raise KnowledgeBaseError(f"{out} is a folder; name a file in it, such as {out / 'kb.jsonl'}")
    if kb.exists() and out.samefile(kb):
        raise KnowledgeBaseError(f"{out} is the knowledge base itself; name another file")
    if not overwrite:
        raise KnowledgeBaseError(f"{out} exists already; name another file, or replace it with --overwrite")


def _values(entity: Entity) -> dict[str, Any]:
    parts = {
        "aliases": list(entity.aliases),
        "description": entity.description,
        "images": [str(image) for image in entity.images],
        "attributes": dict(entity.attributes),
    }
    return {"id": entity.id, "name": entity.name} | {key: value for key, value in parts.items() if value}
