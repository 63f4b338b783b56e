"""Pictures that a split has in common with train, and pictures of mentions that are those of their gold entities."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from pgmel.datasets.audit.findings import Found, Hit, Pair, linked
from pgmel.datasets.picture_files import PictureLook, are_twins, find_twins
from pgmel.records import Mention

__all__ = ["check_gold_pictures", "check_pictures", "pictures_to_look_at"]


def pictures_to_look_at(train: Iterable[Mention], mentions: Iterable[Mention], images: Mapping[str, tuple[Path, ...]]) -> set[Path]:
    """Return the files that the checks need: the mentions', and those of the audited mentions' gold entities."""
    audited = list(mentions)
    wanted = {mention.image for mention in (*train, *audited) if mention.image}
    return wanted | {image for _, mention, gold in linked(audited) if mention.image for image in images[gold]}


def check_pictures(pair: Pair) -> Found:
    """Find mentions whose picture is one of train: the same file, the same bytes, a twin, or the same published address.

    The address decides only where a file could not be opened: it may have been copied from record to record.
    """
    files: dict[Path, Mention] = {}
    addresses: dict[str, Mention] = {}
    for mention in pair.train:
        if mention.image is not None:
            files.setdefault(mention.image, mention)
            if address := _address(mention, pair):
                addresses.setdefault(address, mention)
    digests = _digests(files, pair)
    twins = _twins(files, pair)
    for row, mention in enumerate(pair.mentions):
        path = mention.image
        if path is None:
            continue
        if other := files.get(path):
            yield "same_picture", _hit(row, mention, other)
        elif other := digests.get(_digest(path, pair)):
            yield "copied_picture", _hit(row, mention, other)
        elif other := twins.get(path):
            yield "near_picture", _hit(row, mention, other)
        elif (other := addresses.get(_address(mention, pair))) and not (_digest(path, pair) and _digest(other.image, pair)):
            yield "same_picture", _hit(row, mention, other)


def check_gold_pictures(pair: Pair) -> Found:
    """Find mentions whose picture is one of their gold entity's."""
    for row, mention, gold in linked(pair.mentions):
        path = mention.image
        if path is None:
            continue
        related = [(kind, image) for image in pair.entities[gold].images if (kind := _relate(path, image, pair.looks))]
        if related:
            kind, image = min(related)  # the kinds' names, sorted, go from the same file to nearly the same
            yield kind, Hit(row, gold, f"{path.name} = {image.name}", path)


def _relate(path: Path, image: Path, looks: Mapping[Path, PictureLook] | None) -> str | None:
    if path == image:
        return "gold_picture"
    if looks is None:
        return None
    if looks[path].digest and looks[path].digest == looks[image].digest:
        return "gold_picture_copied"
    return "gold_picture_near" if are_twins(looks[path], looks[image]) else None


def _address(mention: Mention, pair: Pair) -> str:
    published = pair.published.get(mention.id)
    return published.picture if published is not None and published.picture and "://" in published.picture else ""


def _digest(path: Path | None, pair: Pair) -> str:
    """Return the digest of a picture; empty if it was not, or could not be, opened."""
    return pair.looks[path].digest if pair.looks is not None and path is not None else ""


def _digests(files: Mapping[Path, Mention], pair: Pair) -> dict[str, Mention]:
    """Return train's pictures by their bytes; files that are no pictures (saved error pages) are not told apart, and left out."""
    found: dict[str, Mention] = {}
    for path, mention in files.items():
        if digest := _digest(path, pair):
            found.setdefault(digest, mention)
    return found


def _twins(files: Mapping[Path, Mention], pair: Pair) -> dict[Path, Mention]:
    if pair.looks is None:
        return {}
    theirs = list(files)
    ours = list(dict.fromkeys(mention.image for mention in pair.mentions if mention.image and mention.image not in files))
    looks = pair.looks
    found = find_twins([looks[path] for path in ours], [looks[path] for path in theirs], pair.show_progress)
    return {ours[row]: files[theirs[other]] for row, other in found.items()}


def _hit(row: int, mention: Mention, other: Mention) -> Hit:
    ours, theirs = (one.image.name if one.image else "" for one in (mention, other))
    return Hit(row, other.id, ours if ours == theirs else f"{ours} = {theirs}", mention.image)
