"""Data sets for tests of the audit: clean ones in every layout, with pictures, and what was found in one."""

from pathlib import Path

import numpy as np
from dataset_writers import WRITERS, Link, Plain
from PIL import Image

from pgmel.datasets import Dataset, audit_dataset, load_dataset
from pgmel.datasets.audit import SplitAudit
from pgmel.records import Entity, Mention

FACTS = {"short_text", "template", "reused_id", "seen_gold", "title"}


def clean() -> Plain:
    """Five entities that differ, and three splits that share nothing but a template, a short text and a gold entity."""
    return Plain(
        entities=[
            ("Republic of the Congo", "Country in the west"),
            ("Democratic Republic of the Congo", "Country in the east"),
            ("Georgia", "Country on the Black Sea"),
            ("Congo", "River in Central Africa"),
            ("Georgia (U.S. state)", "State in the south of the United States"),
        ],
        splits={
            "train": [
                Link("Brazzaville", "The president of Brazzaville opens a new bridge over the water.", 0, "a.jpg"),
                Link("Georgia", "Minister Nino at the 2014 spring meeting in Tbilisi, Georgia.", 2, "b.jpg"),
                Link("Congo", "Congo in 2011", 3, "c.jpg"),
            ],
            "dev": [
                Link("Kinshasa", "Market day on the great square of Kinshasa, seen from above.", 1, "d.jpg"),
                Link("Congo", "A ferry crosses the Congo at night without any lights on.", 3, "e.jpg"),
                Link("Nobody", "Somebody whom no one in the village knew, called Nobody.", None, "f.jpg"),
            ],
            "test": [
                Link("Atlanta", "Skyline of Atlanta after the storm of last December.", 4, "g.jpg"),
                Link("Congo", "Congo in 2011", 0, "h.jpg"),
            ],
        },
    )


def write_clean(root: Path, layout: str, plain: Plain | None = None) -> Path:
    """Write it in a layout, with a picture of its own for every mention and entity that names one."""
    WRITERS[layout](root, plain or clean())
    if layout == "generic":
        lines = (root / "kb.jsonl").read_text().splitlines()
        pictured = [line[:-1] + f', "images": ["kb/{number}.jpg"]}}' for number, line in enumerate(lines)]
        (root / "kb.jsonl").write_text("\n".join(pictured) + "\n")
    elif layout == "kgmel":
        for number in range(len((plain or clean()).entities)):
            touch(root / "kb_image" / f"Q{number}_0.jpg")
    elif layout == "melbench richpedia":  # its writer numbers each split anew; published ids are unique
        for split in (plain or clean()).splits:
            text = (root / f"{split}.json").read_text()
            (root / f"{split}.json").write_text(text.replace('"K', f'"{split}K'))
    dataset = load_dataset(root)
    paths = {mention.image for mentions in dataset.splits.values() for mention in mentions if mention.image}
    paths |= {image for entity in dataset.entities for image in entity.images}
    for seed, path in enumerate(sorted(paths)):
        draw(path, seed)
    return root


def touch(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


def draw(file: Path, seed: int, size: tuple[int, int] = (96, 84), quality: int = 90) -> Path:
    """A random picture; the same seed gives the same one at any size and quality, in other bytes."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file, "JPEG", quality=quality)
    return file


def audit_split(root: Path, split: str = "test", pictures: bool = True) -> SplitAudit:
    found = audit_dataset(load_dataset(root), splits=[split], pictures=pictures, show_progress=False)
    return found.splits[0]


def counts(part: SplitAudit, facts: bool = False) -> dict[str, int]:
    """Kind to number of mentions, of kinds that were found; without facts unless they are asked for."""
    return {name: len(finding.hits) for name, finding in part.findings.items() if finding.hits and (facts or name not in FACTS)}


def compare(train: list[Mention], test: list[Mention], *entities: Entity) -> SplitAudit:
    """Audit mentions without any files."""
    golds = dict.fromkeys(mention.entity_id for mention in (*train, *test) if isinstance(mention.entity_id, str))
    known = {entity.id: entity for entity in entities}
    kb = tuple(known.get(gold, Entity(gold, f"name of {gold}")) for gold in {**known, **golds})
    dataset = Dataset("name", "generic", Path("root"), kb, {"train": tuple(train), "test": tuple(test)})
    return audit_dataset(dataset, pictures=False, show_progress=False).splits[0]
