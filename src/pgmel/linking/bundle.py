"""The bundle: one folder with all that linking needs.

```
bundle/
  card.json       data, settings, scores, versions, encoders, decision; sizes and digests of the other files
  model/          projection and discriminator
  kb/kb.sqlite    the entities
  index/          their vectors
  names/          their names and aliases, for search by name
  reranker/       the second stage, only where training found that it helps
  encoder/        the text encoder, only where it was trained along with the model, or copied along
  image-encoder/  the image encoder, only where it was copied along
```
"""

import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, Protocol

from pgmel.candidates import NamedRow, NameIndex
from pgmel.errors import BundleError, DataError
from pgmel.files import atomic_folder, encode_json, find_obstacle, hash_file, hash_json, read_json
from pgmel.index import EntityIndex
from pgmel.kb import KnowledgeBase, move_image_root
from pgmel.linking.decision import Decision
from pgmel.linking.encoders import ENCODER, IMAGE_ENCODER, with_absolute_folders
from pgmel.linking.reranking import Reranker
from pgmel.progress import progress_bar
from pgmel.records import Entity

__all__ = [
    "CARD",
    "FORMAT",
    "FORMAT_VERSION",
    "INDEX",
    "KB_FILE",
    "MODEL",
    "NAMES",
    "RERANKER",
    "StoredModel",
    "bundle_identity",
    "check_replaceable",
    "describe_file",
    "load_names",
    "load_reranker",
    "name_kb",
    "package_versions",
    "read_card",
    "write_bundle",
]

FORMAT: Final = "pgmel-bundle"
FORMAT_VERSION: Final = 1

CARD: Final = "card.json"
MODEL: Final = "model"
KB_FILE: Final = "kb/kb.sqlite"
INDEX: Final = "index"
NAMES: Final = "names"
RERANKER: Final = "reranker"

_CHUNK: Final = 4096
_REQUIRED: Final = ("data", "settings", "scores", "encoders", "decision")
_PACKAGES: Final = ("pgmel", "torch", "numpy", "transformers", "faiss-cpu", "safetensors")


class StoredModel(Protocol):
    """What a bundle asks of the model."""

    @property
    def dim(self) -> int:
        """Length of its vectors."""
        ...

    def save(self, folder: Path) -> None:
        """Write it into a folder."""
        ...


def write_bundle(
    folder: Path,
    kb: KnowledgeBase | Iterable[Entity],
    model: StoredModel,
    index: EntityIndex,
    card: Mapping[str, Any],
    image_root: Path | None = None,
    encoder: Path | None = None,
    show_progress: bool = False,
    reranker: Reranker | None = None,
    image_encoder: Path | None = None,
) -> None:
    """Write a bundle atomically; an old bundle of that name is replaced when all is written.

    Args:
        folder: Where; absent, empty, or an older bundle.
        kb: The KB to copy, or its entities in the order of the index's rows.
        model: The trained model.
        index: Vectors of the entities.
        card: JSON-like values with at least ``data``, ``settings`` (with ``features``), ``scores``, ``encoders`` and ``decision`` (a
            ``Decision``, its values, or None); versions, sizes and digests are added.
        image_root: Folder that picture paths are stored relative to, where ``kb`` is given as entities.
        encoder: Folder of a text encoder that the bundle is to hold, because it was trained along or lies in another bundle.
        show_progress: Whether to show a bar while names are indexed.
        reranker: The second stage, where there is one.
        image_encoder: Folder of an image encoder that the bundle is to hold, because it lies in another bundle.

    Raises:
        BundleError: If the folder holds something else, or cannot be written, or the card lacks a part.
        IndexFileError: If index, KB and model do not fit together.
        DataError: If an entity breaks a rule of the KB.
    """
    missing = [key for key in _REQUIRED if key not in card]
    if missing:
        raise BundleError(f"the card of the bundle {folder} lacks {', '.join(missing)}")
    check_replaceable(folder)
    try:
        with atomic_folder(folder) as part:
            kb_path = part / KB_FILE
            kb_path.parent.mkdir()
            if isinstance(kb, KnowledgeBase):
                shutil.copyfile(kb.path, kb_path)
                move_image_root(kb_path, kb.image_root)
            else:
                KnowledgeBase.create(kb_path, kb, image_root).close()
            with KnowledgeBase.open(kb_path) as stored:
                index.check_fits(stored.num_rows, model.dim, stored.fingerprint)
                about_kb = {"entities": len(stored), "fingerprint": stored.fingerprint}
                index.save(part / INDEX, stored.fingerprint)
                names = NameIndex.build(name_kb(stored, show_progress))
                names.save(part / NAMES, stored.fingerprint)
            model.save(part / MODEL)
            if reranker is not None:
                reranker.save(part / RERANKER)
            for source, place in ((encoder, ENCODER), (image_encoder, IMAGE_ENCODER)):
                if source is not None:
                    shutil.copytree(source, part / place)
            files = {name: describe_file(part / name) for name in _file_names(part)}
            decision = card["decision"].to_dict() if isinstance(card["decision"], Decision) else card["decision"]
            settings = with_absolute_folders(card["settings"])
            added = {"format": FORMAT, "format_version": FORMAT_VERSION, "created": datetime.now(UTC).isoformat(timespec="seconds")}
            about = {"versions": package_versions(), "kb": about_kb, "index": index.describe(), "names": names.describe(), "files": files}
            (part / CARD).write_bytes(encode_json({**added, **card, "settings": settings, "decision": decision, **about}))
    except OSError as error:
        raise BundleError(f"the bundle {folder} cannot be written: {error}") from None


def name_kb(kb: KnowledgeBase, show_progress: bool = False) -> Iterator[NamedRow]:
    """Yield row, name and aliases of every entity of a KB, as the name index takes them."""
    with progress_bar("Names", len(kb), unit="entities", show=show_progress) as bar:
        for rows, entities in kb.iter_chunks(_CHUNK):
            yield from ((row, entity.name, entity.aliases) for row, entity in zip(rows.tolist(), entities, strict=True))
            bar.advance(len(rows))


def load_names(card: Mapping[str, Any], folder: Path) -> NameIndex | None:
    """Load a bundle's name index; None where it was written before bundles had one.

    Raises:
        IndexFileError: If it is missing or damaged.
    """
    if not any(str(name).startswith(f"{NAMES}/") for name in card.get("files") or ()):
        return None
    return NameIndex.load(folder / NAMES)


def load_reranker(card: Mapping[str, Any], folder: Path) -> Reranker | None:
    """Load a bundle's second stage; None where it has none.

    Raises:
        BundleError: If it is missing or damaged.
    """
    if not any(str(name).startswith(f"{RERANKER}/") for name in card.get("files") or ()):
        return None
    return Reranker.load(folder / RERANKER)


def describe_file(path: Path) -> dict[str, Any]:
    """Return what a card says of a file: size and digest."""
    return {"bytes": path.stat().st_size, "digest": hash_file(path)}


def read_card(folder: Path) -> dict[str, Any]:
    """Read a bundle's card.

    Raises:
        BundleError: If the folder is missing, no bundle, damaged, or of another format version.
    """
    if not folder.is_dir():
        raise BundleError(f"the bundle {folder} does not exist; `pgmel train` or `pgmel index` writes one, or check the path")
    if not (folder / CARD).exists():
        raise BundleError(f"{folder} is not a bundle: it has no {CARD}; name the folder that `pgmel train` or `pgmel index` wrote")
    try:
        card = read_json(folder / CARD)
    except DataError as error:
        raise BundleError(f"the bundle {folder} is damaged: {error}; copy or build it again") from None
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise BundleError(f"{folder} is not a bundle of pgmel: its {CARD} is about something else")
    if card.get("format_version") != FORMAT_VERSION:
        raise BundleError(
            f"the bundle {folder} has format version {card.get('format_version')}, this pgmel reads version {FORMAT_VERSION}; "
            "build it again, or use the pgmel that wrote it"
        )
    missing = [key for key in (*_REQUIRED, "files") if key not in card]
    if missing:
        raise BundleError(f"the bundle {folder} is damaged: its {CARD} lacks {', '.join(missing)}; copy or build it again")
    return card


def bundle_identity(folder: Path) -> str:
    """Return a digest that is the same for copies of a bundle and differs between any two bundles.

    Raises:
        BundleError: If the card cannot be read.
    """
    return hash_json(read_card(folder))


def check_replaceable(folder: Path) -> None:
    """Refuse a folder that no bundle can take the place of; worth asking before the work, as writing asks after it.

    Raises:
        BundleError: If it holds something else, is a file, or cannot be written.
    """
    if obstacle := find_obstacle(folder):
        raise BundleError(f"the bundle {folder} cannot be written: {obstacle}; name another folder")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise BundleError(f"{folder} is a file; name a folder for the bundle")
    if any(folder.iterdir()) and not (folder / CARD).is_file():
        raise BundleError(f"{folder} is not empty and no bundle; it will not be replaced: name another folder")


def _file_names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
