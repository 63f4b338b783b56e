"""Change the knowledge base and indexes of a bundle: a copy is changed, and takes the bundle's place when all of it is written.

What does not change (model, encoder) is linked, not copied, where the disk can do so. An open linker goes on with the old bundle.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pgmel.errors import BundleError
from pgmel.files import atomic_folder, encode_json
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking.bundle import CARD, INDEX, KB_FILE, NAMES, bundle_identity, describe_file, load_names, read_card

__all__ = ["PICTURES", "revise_bundle"]

PICTURES: Final = "pictures"
"""Subfolder of a bundle that holds pictures of entities which came out of archives or from the web after it was built."""


@contextmanager
def revise_bundle(folder: Path) -> Iterator[Path]:
    """Give a copy of a bundle without its index; the block changes the KB in it and saves the new indexes, and the copy takes over.

    Args:
        folder: The bundle. New pictures are to be written into its folder ``PICTURES``, not into the copy's.

    Raises:
        BundleError: If the bundle is missing or damaged, cannot be written, or was changed by somebody else in the meantime.
        IndexFileError: If an index does not fit the KB.
    """
    card = read_card(folder)
    identity = bundle_identity(folder)
    try:
        with atomic_folder(folder) as part:
            shutil.copytree(folder, part, copy_function=_link, ignore=_leave_out(folder), dirs_exist_ok=True)
            (part / KB_FILE).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / KB_FILE, part / KB_FILE)
            yield part
            index, names = EntityIndex.load(part / INDEX), load_names(card, part)
            with KnowledgeBase.open(part / KB_FILE) as kb:
                index.check_fits(kb.num_rows, None, kb.fingerprint)
                if names is not None:
                    names.check_fits(kb.fingerprint)
                about_kb = {"entities": len(kb), "fingerprint": kb.fingerprint}
            indexes = (INDEX,) if names is None else (INDEX, NAMES)
            changed = [KB_FILE, *(f"{kind}/{file.name}" for kind in indexes for file in sorted((part / kind).iterdir()))]
            kept = {name: about for name, about in card["files"].items() if name.split("/")[0] not in (KB_FILE.split("/")[0], *indexes)}
            files = kept | {name: describe_file(part / name) for name in changed}
            now = datetime.now(UTC).isoformat(timespec="seconds")
            new = {**card, "changed": now, "kb": about_kb, "index": index.describe(), "files": dict(sorted(files.items()))}
            new |= {} if names is None else {"names": names.describe()}
            if bundle_identity(folder) != identity:
                raise BundleError(f"the bundle {folder} was changed by somebody else in the meantime; run the command again")
            if (folder / PICTURES).is_dir():
                shutil.copytree(folder / PICTURES, part / PICTURES, copy_function=_link)
            (part / CARD).write_bytes(encode_json(new))
    except OSError as error:
        raise BundleError(f"the bundle {folder} cannot be written: {error}") from None


def _leave_out(folder: Path) -> Callable[[str, list[str]], set[str]]:
    """Leave out, at the top of the bundle, what is written anew."""

    def choose(place: str, names: list[str]) -> set[str]:
        return {CARD, INDEX, PICTURES, KB_FILE.split("/")[0]} & set(names) if Path(place) == folder else set()

    return choose


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
