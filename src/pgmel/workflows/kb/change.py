"""Add, change and remove entities of a knowledge base, or of a bundle with its index."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from pgmel.errors import DataError
from pgmel.index import EntityIndex
from pgmel.kb import Change, KnowledgeBase, change_file
from pgmel.kb.sources import Draft
from pgmel.linking import INDEX, KB_FILE, MODEL, NAMES, load_encoders, load_names, read_card, revise_bundle
from pgmel.models import Embedder
from pgmel.progress import progress_bar
from pgmel.workflows.evaluate import settings_of
from pgmel.workflows.kb.bad_rows import BadRows, side_file
from pgmel.workflows.kb.encode import encode_rows
from pgmel.workflows.kb.places import KbPlace, find_kb
from pgmel.workflows.kb.read import KbOptions, PictureDesk, about_pictures, drafts_of, open_entities
from pgmel.workflows.train import resolve_device, use_threads

__all__ = ["Action", "change_kb"]

Action = Literal["add", "update", "remove"]

_REQUIRED: Final = {"add": ("id", "name"), "update": ("id",), "remove": ("id",)}


def change_kb(
    target: Path,
    source: Path,
    action: Action,
    options: KbOptions,
    *,
    add_missing: bool = False,
    device: str = "auto",
    text_encoder: str | None = None,
    image_encoder: str | None = None,
    show_progress: bool = True,
) -> dict[str, Any]:
    """Change a KB by a file. All of it is done, or nothing.

    Of a bundle only the rows that come or change are encoded, and only they and those that go are touched in the index; a new bundle then
    takes the place of the old one at once. The model stays as it is.

    Args:
        target: A KB folder or file, or a bundle.
        source: The file: entities to add; entities to change, of which the columns that the file has are replaced; or ids to remove.
        action: What to do.
        options: How the file is read.
        add_missing: Whether ``update`` adds entities that are not there yet, instead of calling their rows bad.
        device: Where encoders and model run.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        show_progress: Whether to show bars.

    Returns:
        Counts as JSON-like values: ``added``, ``changed``, ``unchanged``, ``removed``, ``entities``, ``bad_rows``, ``pictures``...

    Raises:
        PgmelError: If the target or the file cannot be used, or a row is bad and may not be skipped; nothing has changed then.
    """
    place = find_kb(target)
    with BadRows(side_file(target), options.on_error) as bad_rows:
        job = _Job(place, source, action, options, add_missing, bad_rows, show_progress)
        if place.bundle is None:
            with change_file(place.file, place.root) as change:
                job.apply(change)
            with place.open() as kb:
                entities = len(kb)
        else:
            entities = _change_bundle(place.bundle, job, device, text_encoder, image_encoder, show_progress)
    about = {**job.counts, "entities": entities, "bad_rows": bad_rows.count, "pictures": job.pictures}
    listed = str(bad_rows.file) if bad_rows.count or bad_rows.notes else None
    missing = [f"{owner}: {path}" for owner, path in job.first_missing]
    return {**about, "bad_rows_file": listed, "first_bad_rows": bad_rows.first, "first_missing_pictures": missing}


class _Job:
    """What is to be done to the KB."""

    def __init__(
        self, place: KbPlace, source: Path, action: Action, options: KbOptions, add_missing: bool, bad_rows: BadRows, show_progress: bool
    ) -> None:
        self.counts = {"added": 0, "changed": 0, "unchanged": 0, "removed": 0}
        self.pictures: dict[str, Any] = {}
        self.first_missing: list[tuple[str, Path]] = []
        self._place, self._source, self._action, self._options = place, source, action, options
        self._add_missing, self._bad_rows, self._show_progress = add_missing, bad_rows, show_progress
        self._opened = open_entities(source, options, _REQUIRED[action])

    def apply(self, change: Change) -> None:
        """Do it, in the change's transaction."""
        drafts = drafts_of(self._opened, self._options, self._bad_rows)
        with progress_bar("KB", None, unit="rows", show=self._show_progress) as bar:
            if self._action == "remove":
                pairs: Iterable[tuple[Draft, tuple[Path, ...]]] = ((draft, ()) for draft in drafts)
            else:
                pictures = self._place.pictures.absolute()
                desk = PictureDesk(self._opened, self._options, pictures, pictures / "fetched", self._bad_rows, self._show_progress)
                pairs = desk.resolve(drafts)
            for draft, images in pairs:
                try:
                    self.counts[self._change(change, draft, images)] += 1
                except DataError as error:
                    self._bad_rows(DataError(error.rule, self._source, draft.place, error.fix))
                bar.advance()
        if self._action != "remove":
            self.pictures, self.first_missing = about_pictures(desk.counts), desk.first_missing

    def _change(self, change: Change, draft: Draft, images: tuple[Path, ...]) -> str:
        if self._action == "remove":
            change.remove(draft.id)
            return "removed"
        before = change.find(draft.id) if self._action == "update" else None
        if self._action == "add" or (before is None and self._add_missing):
            if not draft.name:
                raise DataError(f"the entity {draft.id!r} is new and has no name", fix="Give it one")
            change.add(draft.entity(images))
            return "added"
        return "unchanged" if change.replace(draft.entity(images, before)) is None else "changed"


def _change_bundle(bundle: Path, job: _Job, device: str, text_encoder: str | None, image_encoder: str | None, show_progress: bool) -> int:
    card = read_card(bundle)
    place = str(resolve_device(device))
    use_threads(settings_of(card, bundle).training.threads)
    encoders = load_encoders(card, bundle, place, text_encoder, image_encoder, use_cache=True)
    embedder = Embedder.load(bundle / MODEL, place)
    index, names = EntityIndex.load(bundle / INDEX), load_names(card, bundle)
    with KnowledgeBase.open(bundle / KB_FILE) as kb:
        index.check_fits(kb.num_rows, embedder.dim, kb.fingerprint)
    with revise_bundle(bundle) as part:
        with change_file(part / KB_FILE) as change:
            job.apply(change)
            written = np.array(sorted(change.written), dtype=np.int64)
            gone = np.union1d(written, sorted(change.freed)).astype(np.int64)
        with KnowledgeBase.open(part / KB_FILE) as kb:
            vectors = encode_rows(kb, written, encoders, embedder, show_progress)
            index.change(written, vectors, kb.num_rows, kb.free_rows(), kb.fingerprint).save(part / INDEX)
            if names is not None:
                named = ((int(row), entity.name, entity.aliases) for row, entity in zip(written, kb.get_many(written), strict=True))
                names.change(gone, named, kb.fingerprint).save(part / NAMES)
            return len(kb)
