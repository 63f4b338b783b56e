"""What the commands in the documentation are run on: small files under the names that the pages use."""

import json
import os
import shutil
import sqlite3
import zipfile
from bz2 import compress
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image
from toy_runs import quick_settings, read_lines, write_lines, write_toy

from pgmel.files import write_json
from pgmel.workflows.build_index import build_bundle
from pgmel.workflows.kb import KbOptions, build_kb
from pgmel.workflows.train import train

__all__ = ["make_once", "make_world"]

ROWS = (
    ("L1", "Red lamp", "lamp|desk lamp", "lamp for the desk", "red", "Nordlys"),
    ("T1", "Green tent", "tent", "tent for two", "green", "Vidde"),
    ("B1", "Blue bicycle", "bike", "bicycle with seven gears", "blue", "Hjul"),
)
PARTS = ("SKU", "Title", "Also called", "description", "colour", "maker")
ITEM = {
    "id": "Q9",
    "type": "item",
    "labels": {"de": {"language": "de", "value": "Ada"}, "en": {"language": "en", "value": "Ada"}},
    "sitelinks": {f"s{number}": {} for number in range(30)},
    "claims": {"P31": [{"mainsnak": {"datavalue": {"value": {"id": "Q5"}}}, "rank": "normal"}]},
}


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once, whichever of the processes that run tests side by side comes first."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(base / f"{name}.lock"):
        if not (base / f"{name}.done").exists():
            shutil.rmtree(base / name, ignore_errors=True)
            (base / name).mkdir()
            make(base / name)
            (base / f"{name}.done").touch()
    return base / name


def make_world(folder: Path, cache: Path) -> None:
    """Write a data set, a run with its bundle, and files of entities and posts."""
    toy = _with_candidates(write_toy(folder / "my-data"))
    settings = quick_settings(f"features.cache_dir={cache}")
    run = folder / "runs" / "mine"
    train(settings, run, toy, show_progress=False)
    for name in ("wikimel", "mine-0", "mine-1", "mine-2"):
        shutil.copytree(run, folder / "runs" / name)
    for name in ("moved/my-data", "other-kb"):
        shutil.copytree(toy, folder / name)
    for name in ("WikiMEL", "data/wikimel"):
        _write_melbench(toy, folder / name)
    shutil.copyfile(next((toy / "images").glob("mention-*.png")), folder / "photo.jpg")
    _write_tables(folder)
    build_kb(folder / "products.csv", folder / "kb" / "products", KbOptions(), show_progress=False)
    build_bundle(run / "bundle", folder / "kb" / "products", folder / "bundles" / "products", show_progress=False)
    posts = [{"id": "1", "mention": "Mira", "context": "Back from Mira."}, {"mention": "Green tent", "image": "photo.jpg"}]
    write_lines(folder / "posts.jsonl", posts)


def _with_candidates(toy: Path) -> Path:
    """Give every mention a candidate list."""
    ids = [row["id"] for row in read_lines(toy / "kb.jsonl")]
    for split in ("train", "dev", "test"):
        write_lines(toy / f"{split}.jsonl", [row | {"candidates": ids[:9]} for row in read_lines(toy / f"{split}.jsonl")])
    return toy


def _write_melbench(toy: Path, folder: Path) -> None:
    """Write the same data as the authors of WikiMEL did."""
    entities = read_lines(toy / "kb.jsonl")
    splits = {split: [row for row in read_lines(toy / f"{split}.jsonl") if row["entity_id"] != "NIL"] for split in ("train", "dev", "test")}
    names = {row["id"]: row["name"] for row in entities}
    records = {
        row["id"]: {
            "id": row["id"],
            "sentence": row["context"],
            "mentions": [row["mention"]],
            "entities": [names[row["entity_id"]]],
            "answer": [row["entity_id"]],
        }
        for rows in splits.values()
        for row in rows
    }
    write_json(folder / "Wikidata-MEL.json", records)
    write_json(folder / "splits.json", {split: [row["id"] for row in rows] for split, rows in splits.items()})
    write_json(folder / "qid2ne.json", names)
    write_json(folder / "qid2abs.json", {row["id"]: row["description"] for row in entities})


def _write_tables(folder: Path) -> None:
    entities = [dict(zip(PARTS, row, strict=True)) for row in ROWS]
    table = [",".join(PARTS), *(",".join(row) for row in ROWS)]
    (folder / "products.csv").write_text("\n".join(table) + "\n")
    people = [{"id": "Q1", "name": "Ada Lovelace", "aliases": ["Ada King"]}, {"id": "Q2", "name": "Alan Turing"}]
    write_lines(folder / "people.jsonl", people)
    import pandas

    pandas.DataFrame(entities).to_parquet(folder / "products.parquet")
    with sqlite3.connect(folder / "shop.sqlite") as shop:
        shop.execute("CREATE TABLE products (id TEXT, name TEXT)")
        shop.executemany("INSERT INTO products VALUES (?, ?)", [row[:2] for row in ROWS])
    shop.close()
    (folder / "latest-all.json.bz2").write_bytes(compress(f"[\n{json.dumps(ITEM)}\n]\n".encode()))
    with zipfile.ZipFile(folder / "photos.zip", "w") as archive:
        for row in ROWS:
            Image.new("RGB", (32, 32), row[4]).save(folder / "made.png")
            archive.write(folder / "made.png", f"{row[0]}.png")
    (folder / "made.png").unlink()
    (folder / "new.csv").write_text("id,name\nS1,Orange scooter\n")
    (folder / "corrected.jsonl").write_text('{"id": "L1", "name": "Red desk lamp"}\n{"id": "K1", "name": "Kettle"}\n')
    (folder / "prices.csv").write_text("id,price\nL1,30\n")
    (folder / "all.csv").write_text("id,name\nL1,Red lamp\nH1,Headphones\n")
    (folder / "sold-out.txt").write_text("B1\n")
