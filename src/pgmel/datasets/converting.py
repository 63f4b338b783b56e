"""Write a data set of any layout as pgmel's own, so that ``load_dataset`` of the result gives the same records."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pgmel.datasets.dataset import Dataset
from pgmel.datasets.derived import DERIVED_FILE, derive_split, write_derived
from pgmel.datasets.generic import GENERIC, KB_FILE, EntityRow, MentionRow
from pgmel.errors import DataError
from pgmel.files import atomic_folder, hash_bytes
from pgmel.progress import progress_bar
from pgmel.records import NIL_TEXT, Entity, Mention, NilType

__all__ = ["Conversion", "convert_dataset"]


@dataclass(frozen=True)
class Conversion:
    """What was written: ``pictures_copied`` and ``pictures_missing`` count files, and are 0 where none were copied."""

    folder: Path
    entities: int
    mentions: dict[str, int]
    pictures_copied: int = 0
    pictures_missing: int = 0


def convert_dataset(
    dataset: Dataset, folder: Path, copy_pictures: bool = False, overwrite: bool = False, show_progress: bool = True
) -> Conversion:
    """Write a data set in the generic layout.

    The folder appears when everything is written, or not at all.

    Args:
        dataset: What to write.
        folder: Where to; it must not exist, or be empty, or (with ``overwrite``) hold a data set of the generic layout.
        copy_pictures: Copy pictures into ``images/`` under names that say nothing of the entity, and refer to them relative to the
            folder; otherwise the records keep the pictures' absolute paths.
        overwrite: Replace the folder if it holds a data set of the generic layout.
        show_progress: Whether to show a bar while pictures are copied.

    Raises:
        DataError: If the folder is taken, holds the data set itself, or cannot be written.
    """
    _check_folder(folder, dataset.root, overwrite)
    with _writing(folder), atomic_folder(folder) as part:
        pictures = _Pictures(copy_pictures)
        _write_lines(part / KB_FILE, (_entity_row(entity, pictures) for entity in dataset.entities))
        for split, mentions in dataset.published_splits.items():
            _write_lines(part / f"{split}.jsonl", (_mention_row(mention, pictures) for mention in mentions))
        if dataset.derived:
            derived = {name: derive_split(of, dataset.splits[of], dataset.splits[name]) for name, of in dataset.derived.items()}
            write_derived(part / DERIVED_FILE, ".", GENERIC.name, derived)
        copied, missing = pictures.copy_into(part, show_progress)
    counts = {split: len(mentions) for split, mentions in dataset.published_splits.items()}
    return Conversion(folder, len(dataset.entities), counts, copied, missing)


class _Pictures:
    """Gives every picture the text that stands for it in a record, and copies the files if asked to."""

    def __init__(self, copy: bool) -> None:
        self._copy = copy
        self._names: dict[Path, str] = {}

    def text_of(self, path: Path) -> str:
        if not self._copy:
            return os.path.abspath(path)  # noqa: PTH100 - absolute() keeps "..", resolve() follows links
        if path not in self._names:
            # The digest hides the old name, which in Richpedia-MEL is the gold entity's id.
            digest = hash_bytes(os.fsencode(os.path.abspath(path)))  # noqa: PTH100
            suffix = path.suffix.lower()
            self._names[path] = f"images/{digest[:2]}/{digest}{suffix if suffix.isascii() and len(suffix) <= 6 else ''}"
        return self._names[path]

    def copy_into(self, part: Path, show_progress: bool) -> tuple[int, int]:
        copied = 0
        with progress_bar("Copying pictures", len(self._names), unit="pictures", show=show_progress) as bar:
            for path, name in self._names.items():
                if path.is_file():
                    (part / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(path, part / name)
                    copied += 1
                bar.advance()
        return copied, len(self._names) - copied


def _check_folder(folder: Path, source: Path, overwrite: bool) -> None:
    here, there = folder.resolve(), source.resolve()
    if here == there or here in there.parents:
        raise DataError("the data set to convert lies in this folder", folder, fix="Write to another folder")
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise DataError("this is no folder", folder, fix="Write to a folder that does not exist yet")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not overwrite:
        raise DataError("the folder is not empty", folder, fix="Write to another folder, or replace it with --overwrite")
    if not (folder / KB_FILE).is_file():
        raise DataError(f"the folder holds no {KB_FILE}, so it is not replaced", folder, fix="Write to another folder")


def _entity_row(entity: Entity, pictures: _Pictures) -> EntityRow:
    images = [pictures.text_of(image) for image in entity.images]
    return EntityRow(entity.id, entity.name, list(entity.aliases), entity.description, images, dict(entity.attributes))


def _mention_row(mention: Mention, pictures: _Pictures) -> MentionRow:
    gold = mention.entity_id
    return MentionRow(
        id=mention.id,
        mention=mention.surface,
        context=mention.context,
        start=mention.start,
        end=mention.end,
        image=None if mention.image is None else pictures.text_of(mention.image),
        entity_id=msgspec.UNSET if gold is None else NIL_TEXT if isinstance(gold, NilType) else gold,
        candidates=list(mention.candidates),
    )


def _write_lines(file: Path, rows: Iterable[msgspec.Struct]) -> None:
    encoder = msgspec.json.Encoder()
    with file.open("wb") as stream:
        for row in rows:
            stream.write(encoder.encode(row) + b"\n")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(f"the data set cannot be written ({error.strerror or error})", folder) from None
