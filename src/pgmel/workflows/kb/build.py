"""Build a knowledge base from a file."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pgmel.errors import DataError, KnowledgeBaseError
from pgmel.files import atomic_folder, encode_json, find_obstacle
from pgmel.kb import KnowledgeBase
from pgmel.linking import PICTURES
from pgmel.records import Entity
from pgmel.workflows.kb.bad_rows import BadRows, side_file
from pgmel.workflows.kb.places import KB_CARD, KB_NAME
from pgmel.workflows.kb.read import KbOptions, PictureDesk, about_pictures, drafts_of, open_entities

__all__ = ["build_kb"]

_FETCHED: Final = "fetched"


def build_kb(source: Path, out: Path, options: KbOptions, overwrite: bool = False, show_progress: bool = True) -> dict[str, Any]:
    """Write a KB folder: ``kb.sqlite``, ``kb.json``, and ``pictures/`` where archives or the web were asked for any.

    The folder appears when all is written. Pictures that were fetched before an interruption are kept beside it and not fetched again.

    Args:
        source: The file.
        out: The folder.
        options: How the file is read.
        overwrite: Whether an old KB folder may be replaced.
        show_progress: Whether to show bars.

    Returns:
        What was read, as JSON-like values: ``entities``, ``bad_rows``, ``left_out``, ``columns``, ``pictures``, and so on.

    Raises:
        SettingError: If an option is wrong, or it is not clear which column is meant.
        DataError: If the source cannot be read, no row of it can be used, or a row is bad and may not be skipped.
        KnowledgeBaseError: If ``out`` holds something else, or cannot be written.
    """
    _check_replaceable(out, overwrite)
    opened = open_entities(source, options)
    kept = out.absolute().with_name(f".{out.absolute().name}.fetched")
    with BadRows(side_file(out), options.on_error) as bad_rows, atomic_folder(out) as part:
        desk = PictureDesk(opened, options, part / PICTURES, kept, bad_rows, show_progress)
        moves = ((kept, out.absolute() / PICTURES / _FETCHED), (part.absolute(), out.absolute()))

        def entities() -> Iterator[Entity]:
            for draft, paths in desk.resolve(drafts_of(opened, options, bad_rows)):
                yield draft.entity(tuple(_moved(path, moves) for path in paths))

        with KnowledgeBase.create(part / KB_NAME, entities(), image_root=out, show_progress=show_progress) as kb:
            count = len(kb)
        if count == 0:
            what = f"{bad_rows.count:,} bad rows, {opened.source.num_left_out:,} left out as asked"
            raise DataError(f"no entity can be taken from it ({what})", source, fix=" ".join(bad_rows.first[:1]) or None)
        if kept.is_dir():
            (part / PICTURES).mkdir(exist_ok=True)
            shutil.move(kept, part / PICTURES / _FETCHED)
        about = {
            "entities": count,
            "bad_rows": bad_rows.count,
            "left_out": opened.source.num_left_out,
            "columns": opened.columns._asdict(),
            "unused_columns": opened.unused(),
            "pictures": about_pictures(desk.counts),
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        (part / KB_CARD).write_bytes(encode_json({"format": "pgmel-kb", "created": now, "source": str(source.absolute()), **about}))
    listed = str(bad_rows.file) if bad_rows.count or bad_rows.notes else None
    missing = [f"{owner}: {_moved(path, moves)}" for owner, path in desk.first_missing]
    return {**about, "bad_rows_file": listed, "first_bad_rows": bad_rows.first, "first_missing_pictures": missing}


def _check_replaceable(out: Path, overwrite: bool) -> None:
    if obstacle := find_obstacle(out):
        raise KnowledgeBaseError(f"{out} cannot be written: {obstacle}; name another folder")
    if not out.exists():
        return
    if not out.is_dir():
        raise KnowledgeBaseError(f"{out} is a file; name a folder for the knowledge base")
    if not any(out.iterdir()):
        return
    if not (out / KB_NAME).is_file() or not (out / KB_CARD).is_file():
        raise KnowledgeBaseError(f"{out} is not empty and no knowledge base; it will not be replaced: name another folder")
    if not overwrite:
        raise KnowledgeBaseError(f"the knowledge base {out} exists already; name another folder, or replace it with --overwrite")


def _moved(path: Path, moves: tuple[tuple[Path, Path], ...]) -> Path:
    """Return where a picture will be when the folder stands in its place."""
    for old, new in moves:
        if path.is_relative_to(old):
            return new / path.relative_to(old)
    return path
