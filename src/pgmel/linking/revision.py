"""Change the knowledge base and index of a bundle: a copy is changed, and takes the bundle's place when all of it is written.

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
from pgmel.linking.bundle import CARD, INDEX, KB_FILE, bundle_identity, describe_file, read_card

__all__ = ["PICTURES", "revise_bundle"]

PICTURES: Final = "pictures"
"""Subfolder of a bundle that holds pictures of entities which came out of archives or from the web after it was built."""


@contextmanager
def revise_bundle(folder: Path) -> Iterator[Path]:
    """Give a copy of a bundle without its index; the block changes the KB in it and saves the new index, and the copy takes over.

    Args:
        folder: The bundle. New pictures are to be written into its folder ``PICTURES``, not into the copy's.

    Raises:
        BundleError: If the bundle is missing or damaged, cannot be written, or was changed by somebody else in the meantime.
        IndexFileError: If the index does not fit the KB.
    """
    card = read_card(folder)
    identity = bundle_identity(folder)
    try:
        with atomic_folder(folder) as part:
            shutil.copytree(folder, part, copy_function=_link, ignore=_leave_out(folder), dirs_exist_ok=True)
            (part / KB_FILE).parent.mkdir(exist_ok=True)
            shutil.copyfile(folder / KB_FILE, part / KB_FILE)
            yield part
            index = EntityIndex.load(part / INDEX)
            with KnowledgeBase.open(part / KB_FILE) as kb:
                index.check_fits(kb.num_rows, None, kb.fingerprint)
                about_kb = {"entities": len(kb), "fingerprint": kb.fingerprint}
            changed = [KB_FILE, *(f"{INDEX}/{file.name}" for file in sorted((part / INDEX).iterdir()))]
            kept = {name: about for name, about in card["files"].items() if name != KB_FILE and not name.startswith(f"{INDEX}/")}
            files = kept | {name: describe_file(part / name) for name in changed}
            now = datetime.now(UTC).isoformat(timespec="seconds")
            new = {**card, "changed": now, "kb": about_kb, "index": index.describe(), "files": dict(sorted(files.items()))}
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
