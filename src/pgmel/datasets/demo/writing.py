"""Write the demo to a folder, in pgmel's own layout."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from PIL import Image

from pgmel.datasets.demo.examples import EXAMPLE_FLAGS, EXAMPLES
from pgmel.datasets.demo.flags import draw_flag
from pgmel.datasets.demo.gazetteer import Place, load_places
from pgmel.datasets.demo.likeness import find_lookalikes
from pgmel.datasets.demo.mixture import Casting, MentionPlan, MentionPlanner, cast_places
from pgmel.datasets.demo.pictures import PictureJob, write_pictures
from pgmel.datasets.demo.sentences import SentenceBook
from pgmel.errors import DataError
from pgmel.files import atomic_folder, encode_json, read_json
from pgmel.records import NIL_TEXT

__all__ = ["ABOUT_FILE", "SPLIT_SIZES", "write_demo"]

ABOUT_FILE: Final = "about.json"
"""Says what the folder is; its presence marks a folder that may be written over."""

SPLIT_SIZES: Final = {"train": 1500, "dev": 400, "test": 400}
"""Mentions per split."""

_NAME: Final = "pgmel-demo"
_KB_HEIGHT: Final = 108
_MASTER_HEIGHT: Final = 88
_PNG_SHARE: Final = 0.1

Row = dict[str, Any]


def write_demo(folder: Path, seed: int = 0) -> None:
    """Write the built-in demo: a knowledge base of places with their flags, and mentions of them with and without pictures.

    The folder gets ``kb.jsonl``, ``train.jsonl``, ``dev.jsonl``, ``test.jsonl``, the pictures under ``images/`` and ``about.json``; it
    appears whole or not at all. The same seed gives the same files, byte for byte, with the same versions of numpy and Pillow.

    Args:
        folder: Where to write; an earlier demo there is replaced.
        seed: Decides sentences, pictures and which places training never means.

    Raises:
        DataError: If the folder holds something other than an earlier demo.
    """
    _refuse_to_overwrite(folder)
    places = load_places()
    rng = np.random.default_rng(seed)
    castings = cast_places(places, rng)
    masters = {place.id: draw_flag(place.flag, _MASTER_HEIGHT) for place in places if place.flag}
    planner = MentionPlanner(places, find_lookalikes(masters))
    plans = {split: planner.plan(castings[split], size, rng) for split, size in SPLIT_SIZES.items()}
    paths = _name_pictures([plan for split in plans.values() for plan in split], rng)
    taken = {example.context for example in EXAMPLES}
    with atomic_folder(folder) as part:
        for name in ("kb", "mention", "example"):
            (part / "images" / name).mkdir(parents=True)
        _write_rows(part / "kb.jsonl", _write_kb(part, places))
        rest = iter(paths)
        for split, planned in plans.items():
            named = [(plan, next(rest)) for plan in planned]
            _write_rows(part / f"{split}.jsonl", _write_mentions(split, named, taken, rng))
        jobs = [*_mention_jobs(part, plans, paths, masters, seed, rng), *_example_jobs(part, masters, seed)]
        write_pictures(jobs)
        (part / ABOUT_FILE).write_bytes(encode_json(_describe(places, castings, seed)))


def _refuse_to_overwrite(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not _is_demo(folder):
        raise DataError("the demo would replace files that are not an earlier demo", folder, fix="Name an empty or new folder")


def _is_demo(folder: Path) -> bool:
    try:
        about = read_json(folder / ABOUT_FILE)
    except DataError:
        return False
    return isinstance(about, dict) and about.get("name") == _NAME


def _write_rows(file: Path, rows: Iterable[Row]) -> None:
    file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))


def _write_kb(folder: Path, places: Sequence[Place]) -> list[Row]:
    rows: list[Row] = []
    for place in places:
        if not place.in_kb:
            continue
        row: Row = {"id": place.id, "name": place.name, "aliases": list(place.aliases), "description": place.description, "images": []}
        if place.flag:
            row["images"] = [f"images/kb/{place.id}.png"]
            draw_flag(place.flag, _KB_HEIGHT).save(folder / row["images"][0])
        facts = {"kind": place.kind, "region": place.region, "capital": place.capital, "era": place.era}
        row["attributes"] = {name: value for name, value in facts.items() if value}
        rows.append(row)
    return rows


def _name_pictures(plans: Sequence[MentionPlan], rng: np.random.Generator) -> list[str | None]:
    """Number the pictures at random over all splits, so that a name says nothing; mentions without a picture get none."""
    with_picture = [index for index, plan in enumerate(plans) if plan.picture != "none"]
    names: list[str | None] = [None] * len(plans)
    for index, number in zip(with_picture, rng.permutation(len(with_picture)), strict=True):
        whole = plans[index].picture in ("flag", "other_flag", "scenery")
        suffix = "png" if whole and rng.random() < _PNG_SHARE else "jpg"
        names[index] = f"images/mention/{int(number) + 1:04d}.{suffix}"
    return names


def _write_mentions(split: str, named: Sequence[tuple[MentionPlan, str | None]], taken: set[str], rng: np.random.Generator) -> list[Row]:
    book = SentenceBook(split, taken)
    rows: list[Row] = []
    for number, (plan, picture) in enumerate(named, start=1):
        context, start = book.write(plan.place, plan.surface, plan.text, rng)
        row: Row = {"id": f"{split}-{number:04d}", "mention": plan.surface, "context": context}
        row |= {"start": start, "end": start + len(plan.surface)}
        if picture is not None:
            row["image"] = picture
        row["entity_id"] = plan.place.id if plan.place.in_kb else NIL_TEXT
        rows.append(row)
    return rows


def _mention_jobs(
    folder: Path,
    plans: Mapping[str, Sequence[MentionPlan]],
    paths: Sequence[str | None],
    masters: Mapping[str, Image.Image],
    seed: int,
    rng: np.random.Generator,
) -> list[PictureJob]:
    others = [place for place in load_places() if place.in_kb and place.flag]
    jobs: list[PictureJob] = []
    for number, (plan, path) in enumerate(zip((plan for split in plans.values() for plan in split), paths, strict=True)):
        if path is None:
            continue
        flag = None if plan.picture == "scenery" else masters.get(plan.place.id)
        if plan.picture == "other_flag":
            strangers = [place.id for place in others if not set(place.names) & set(plan.place.names)]
            flag = masters[strangers[int(rng.integers(len(strangers)))]]
        jobs.append(PictureJob(folder / path, plan.picture, flag, (seed, number)))
    return jobs


def _example_jobs(folder: Path, masters: Mapping[str, Image.Image], seed: int) -> list[PictureJob]:
    jobs: list[PictureJob] = []
    for number, example in enumerate(EXAMPLES):
        if example.image is not None:
            jobs.append(PictureJob(folder / example.image, "flag", masters[EXAMPLE_FLAGS[example.id]], (seed, 1_000_000 + number)))
    return jobs


def _describe(places: Sequence[Place], castings: Mapping[str, Casting], seed: int) -> Row:
    return {
        "name": _NAME,
        "what": "Made-up sentences with ambiguous names of real places, and pictures of flags drawn from geometric facts.",
        "licence": "Apache-2.0; sentences, descriptions and pictures were written and drawn by pgmel.",
        "protocol": "No sentence and no sentence frame is shared by two splits. The places under unseen_in_train are meant in dev and "
        "test only; the places under nil are not in the knowledge base, and each split has its own.",
        "on_purpose": "Some pictures are missing, empty, cut short, no pictures at all, or show something else; "
        "entities whose flag cannot be drawn from simple shapes have none.",
        "seed": seed,
        "entities": sum(place.in_kb for place in places),
        "mentions": SPLIT_SIZES,
        "unseen_in_train": [place.id for place in castings["test"].unseen],
        "nil": {split: [place.name for place in casting.nil] for split, casting in castings.items()},
    }
