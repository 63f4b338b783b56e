"""Check a bundle from end to end: its files against its card, and its parts against one another."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pgmel.errors import BundleError, PgmelError
from pgmel.files import hash_file
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase
from pgmel.linking.bundle import INDEX, KB_FILE, MODEL, load_names, load_reranker, read_card
from pgmel.linking.decision import Decision

__all__ = ["check_bundle"]


def check_bundle(folder: Path) -> list[str]:
    """Read a whole bundle and say what is wrong with it.

    Returns:
        One sentence for each fault; empty if there is none.
    """
    try:
        card = read_card(folder)
    except BundleError as error:
        return [str(error)]
    faults = list(_wrong_files(folder, card["files"]))
    return faults or list(_wrong_parts(folder, card))


def _wrong_files(folder: Path, files: Mapping[str, Any]) -> Iterator[str]:
    for name, expected in files.items():
        path = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            # Who copies a bundle would write outside of the copy.
            yield f"the card of {folder} names a file outside of it, {name}; get the bundle again from where it came"
            continue
        try:
            size = path.stat().st_size
            if size != expected["bytes"]:
                yield f"{path} has {size:,} bytes, {expected['bytes']:,} were written; copy or build the bundle again"
            elif hash_file(path) != expected["digest"]:
                yield f"{path} is not the file that was written; copy or build the bundle again"
        except FileNotFoundError:
            yield f"{path} is missing; copy or build the bundle again"
        except OSError as error:
            yield f"{path} cannot be read: {error.strerror}"


def _wrong_parts(folder: Path, card: Mapping[str, Any]) -> Iterator[str]:
    from pgmel.models import Embedder

    try:
        with KnowledgeBase.open(folder / KB_FILE) as kb:
            yield from kb.check()
            dim = Embedder.load(folder / MODEL).dim
            index = EntityIndex.load(folder / INDEX, verify=True)
            index.check_fits(kb.num_rows, dim, kb.fingerprint)
            if not np.array_equal(index.holes, kb.free_rows()):
                yield f"the index of {folder} does not leave the same rows empty as its knowledge base; build the bundle again"
            names = load_names(card, folder)
            if names is not None:
                names.check_fits(kb.fingerprint)
                if np.isin(names.rows, kb.free_rows()).any() or (names.rows >= kb.num_rows).any():
                    yield f"the name index of {folder} finds entities that its knowledge base does not have; build the bundle again"
            load_reranker(card, folder)
            if card["decision"] is not None:
                Decision.from_dict(card["decision"])
    except PgmelError as error:
        yield str(error)
