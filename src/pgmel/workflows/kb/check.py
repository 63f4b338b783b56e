"""Check a bundle or a knowledge base from end to end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pgmel.errors import PgmelError
from pgmel.linking import MODEL, check_bundle, load_encoders, read_card
from pgmel.models import Embedder
from pgmel.progress import progress_bar
from pgmel.workflows.kb.places import find_kb

__all__ = ["Finding", "check_kb"]

_LISTED: Final = 3


class Finding(NamedTuple):
    """What was found of one part: ``ok``; ``warning``, where linking works but something is lost; or ``fault``, where it does not."""

    part: str
    level: Literal["ok", "warning", "fault"]
    text: str


def check_kb(
    target: Path, *, pictures: bool = True, text_encoder: str | None = None, image_encoder: str | None = None, show_progress: bool = True
) -> list[Finding]:
    """Check files, KB, index, model, encoders and pictures of a bundle, or the KB and pictures of a KB folder.

    Args:
        target: A bundle, a KB folder or a KB file.
        pictures: Whether to look for every picture file; they are not opened.
        text_encoder: Where the text encoder is now, if not where the bundle's card says.
        image_encoder: Where the image encoder is now, if not where the bundle's card says.
        show_progress: Whether to show a bar.

    Raises:
        KnowledgeBaseError: If there is neither.
    """
    place = find_kb(target)
    found: list[Finding] = []
    if place.bundle is not None:
        faults = check_bundle(place.bundle)
        found += [Finding("bundle", "fault", fault) for fault in faults]
        if not faults:
            found += _check_model(place.bundle, text_encoder, image_encoder)
    try:
        with place.open() as kb:
            if place.bundle is None:
                found += [Finding("kb", "fault", fault) for fault in kb.check()]
            if not any(finding.level == "fault" for finding in found):
                holes = kb.num_rows - len(kb)
                found.append(Finding("kb", "ok", f"{len(kb):,} entities, {holes:,} free rows" if holes else f"{len(kb):,} entities"))
                if pictures:
                    found += _check_pictures(target, show_progress)
    except PgmelError as error:
        if all(str(error) != finding.text for finding in found):
            found.append(Finding("kb", "fault", str(error)))
    return found


def _check_model(bundle: Path, text_encoder: str | None, image_encoder: str | None) -> Iterator[Finding]:
    card = read_card(bundle)
    yield Finding("files", "ok", f"{len(card['files'])} files are as they were written")
    yield Finding("model", "ok", f"vectors of length {Embedder.load(bundle / MODEL).dim}")
    index = card.get("index", {})
    yield Finding("index", "ok", f"{index.get('kind')}, {index.get('rows', 0):,} rows, fits the knowledge base and the model")
    if "names" in card:
        yield Finding("names", "ok", f"{card['names'].get('names', 0):,} names, fit the knowledge base")
    else:
        cure = "candidates come from vectors alone; `pgmel index` builds a bundle that has one"
        yield Finding("names", "warning", f"the bundle has no name index: {cure}")
    if card["decision"] is None:
        yield Finding("decision", "warning", "no NIL decision was fitted: every mention is linked, without a probability")
    try:
        load_encoders(card, bundle, "cpu", text_encoder, image_encoder)
    except PgmelError as error:
        yield Finding("encoders", "fault", str(error))
    else:
        yield Finding("encoders", "ok", "found, and those that the bundle was made with")


def _check_pictures(target: Path, show_progress: bool) -> Iterator[Finding]:
    named, missing, first = 0, 0, list[str]()
    with find_kb(target).open() as kb, progress_bar("Pictures", len(kb), unit="entities", show=show_progress) as bar:
        for entity in kb.iter_entities():
            for path in entity.images:
                named += 1
                if not path.is_file():
                    missing += 1
                    if len(first) < _LISTED:
                        first.append(f"{entity.id}: {path}")
            bar.advance()
    if missing:
        listed = "; ".join(first)
        cure = "linking goes on with the vectors made of them; entities that change would lose theirs: restore the files"
        yield Finding("pictures", "warning", f"{missing:,} of {named:,} picture files are missing ({listed}); {cure}")
    elif named:
        yield Finding("pictures", "ok", f"{named:,} picture files are there")
