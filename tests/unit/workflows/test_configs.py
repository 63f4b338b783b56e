"""Every published configuration says what it is, is read, and runs to a bundle on a small stand-in for its data."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_models import save_bert, save_clip
from toy_runs import run_cli, write_toy

from pgmel.features.torch_models import quiet
from pgmel.files import read_json
from pgmel.linking import Linker, check_bundle, read_card
from pgmel.records import NIL, Mention
from pgmel.settings import Settings, read_settings
from pgmel.testing import ToyWorld, toy_world

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.toml"))
every_config = pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)


def opening(config: Path) -> list[str]:
    """Return the comment that a file opens with, line by line."""
    lines = config.read_text(encoding="utf-8").splitlines()
    return [line[1:].strip() for line in lines[: next(number for number, line in enumerate(lines) if not line.startswith("#"))]]


def test_the_promised_configs_are_there() -> None:
    assert {path.stem for path in CONFIGS} >= {
        "wikimel-minilm",
        "richpediamel-minilm",
        "wikidiverse-minilm",
        "emoji-minilm-mobilenet",
        "wikimel-clip",
        "richpediamel-clip",
        "wikidiverse-clip",
    }


@every_config
@pytest.mark.parametrize("part", ["Command:", "Duration:", "Score:"])
def test_the_opening_comment_gives_command_duration_and_score(config: Path, part: str) -> None:
    [line] = [line for line in opening(config) if line.startswith(part)]
    assert len(line.removeprefix(part).strip()) > 5


@every_config
def test_no_place_is_left_to_be_filled_in(config: Path) -> None:
    assert not re.search(r"@[A-Z]{2}|TODO|\bXX", config.read_text(encoding="utf-8"))


@every_config
def test_the_command_in_the_comment_is_a_command(config: Path) -> None:
    text = re.sub(r"\\ ", "", " ".join(opening(config)))
    words = shlex.split(re.split(r" (?:Duration|Encoding|Score):", text.split("Command:", 1)[1])[0])
    assert words[:4] == ["pgmel", "train", "--config", f"configs/{config.name}"]
    assert words[4::2] == [word for word in words[4::2] if word in ("--data", "--out", "--set")]
    overrides = [word for option, word in zip(words[4::2], words[5::2], strict=True) if option == "--set"]
    read_settings(config, overrides)


@every_config
def test_the_file_is_read_and_changes_something(config: Path) -> None:
    assert read_settings(config) != Settings()


# Stand-ins: the toy world in the layouts of the published files


def write_json(file: Path, value: Any) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")


def gold(mention: Mention) -> str:
    return "nil" if mention.entity_id is NIL else f"Q{int(str(mention.entity_id)[1:])}"


def copy_picture(source: Path | None, target: Path) -> str:
    """Copy a picture as JPEG; return its name."""
    if source is None:
        return ""
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.open(source).save(target)
    return target.name


def write_mimic(world: ToyWorld, root: Path, prefix: str) -> None:
    entities = []
    for number, entity in enumerate(world.entities):
        picture = copy_picture(entity.images[0], root / "kb_image" / f"Q{number}.jpg")
        about = {"id": number, "qid": f"Q{number}", "type": "entity", "entity_name": entity.name, "attr": entity.description}
        entities.append(about | {"image_list": [picture]})
    write_json(root / "kb_entity.json", entities)
    write_json(root / "qid2id.json", {f"Q{number}": number for number in range(len(entities))})
    for split, mentions in world.splits.items():
        rows = []
        for mention in mentions:
            picture = copy_picture(mention.image, root / "mention_image" / f"{mention.id}.jpg")
            rows.append({"mentions": mention.surface, "sentence": mention.context, "imgPath": picture, "answer": gold(mention)})
        write_json(root / f"{prefix}_{split}.json", rows)


def write_melbench(world: ToyWorld, root: Path, file: str) -> None:
    names = {f"Q{number}": entity.name for number, entity in enumerate(world.entities)}
    records = {
        str(1000 + number): {
            "id": str(1000 + number),
            "sentence": mention.context,
            "mentions": [mention.surface],
            "entities": [names.get(gold(mention), "nil")],
            "answer": [gold(mention)],
        }
        for number, mention in enumerate(world.mentions)
    }
    keys = iter(records)
    write_json(root / file, records)
    write_json(root / "splits.json", {split: [next(keys) for _ in mentions] for split, mentions in world.splits.items()})
    write_json(root / "qid2ne.json", names)
    write_json(root / "qid2abs.json", {f"Q{number}": entity.description for number, entity in enumerate(world.entities)})


def write_kgmel(world: ToyWorld, root: Path) -> None:
    rows = [
        {"id": number, "sentence": mention.context, "imgPath": "", "mention": [mention.surface], "entity": ["x"], "answer": [gold(mention)]}
        for number, mention in enumerate(world.mentions)
    ]
    numbers = iter(range(len(rows)))
    splits = {"val" if split == "dev" else split: [next(numbers) for _ in mentions] for split, mentions in world.splits.items()}
    write_json(root / "WikiDiverse.json", rows)
    write_json(root / "ids_split_mappings.json", {"WikiDiverse": splits})
    lines = ["id\tlabel\tdesc", *(f"Q{number}\t{entity.name}\t{entity.description}" for number, entity in enumerate(world.entities))]
    (root / "QID2Label.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


WRITERS: dict[str, Callable[[ToyWorld, Path], object]] = {
    "wikimel-minilm": lambda world, root: write_melbench(world, root, "Wikidata-MEL.json"),
    "richpediamel-minilm": lambda world, root: write_melbench(world, root, "Richpedia-MEL.json"),
    "wikidiverse-minilm": write_kgmel,
    "emoji-minilm-mobilenet": lambda _, root: write_toy(root),
    "wikimel-clip": lambda world, root: write_mimic(world, root, "WIKIMEL"),
    "richpediamel-clip": lambda world, root: write_mimic(world, root, "RichpediaMEL"),
    "wikidiverse-clip": lambda world, root: write_mimic(world, root, "wiki_diverse"),
}
"""Config to what writes a stand-in for its data."""

QUICK = ("training.max_steps=2", "training.threads=1", "training.device=cpu", "training.tensorboard=false", "evaluation.bootstrap=100")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> ToyWorld:
    return toy_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Tiny models that stand in for the real ones."""
    folder = tmp_path_factory.mktemp("models")
    with quiet():
        return {"bert": save_bert(folder / "bert"), "clip": save_clip(folder / "clip")}


@every_config
def test_the_config_runs_to_a_bundle_that_links(config: Path, world: ToyWorld, encoders: dict[str, Path], tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "run"
    WRITERS[config.stem](world, data)
    asked = read_settings(config)
    is_clip = "clip" in asked.features.text_encoder
    pictures = "none" if asked.features.image_encoder == "none" else encoders["clip"] if is_clip else "descriptor"
    overrides = [*QUICK, f"features.text_encoder={encoders['clip' if is_clip else 'bert']}", f"features.image_encoder={pictures}"]
    options = [part for override in overrides for part in ("--set", override)]
    outcome = run_cli("train", "--config", config, "--data", data, "--out", out, *options, "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.json()["steps"] == 2
    assert outcome.json()["trained"]["overall"]["num_mentions"] == 25
    assert check_bundle(out / "bundle") == []
    kept = Settings.model_validate(read_json(out / "settings.json"))
    assert kept == read_settings(config, [*overrides, f"data.path={data}"])
    card = read_card(out / "bundle")
    assert card["data"]["layout"] == asked.data.layout
    sides = card["data"]["pictures"].values()
    assert all(side["missing"] == side["broken"] == 0 and (side["named"] > 0) == (pictures != "none") for side in sides)
    with Linker.load(out / "bundle") as linker:
        [link] = linker.link([Mention("m", "Alder", "The Alder flows through the valley.")])
    assert len(link.candidates) == 10
    if asked.features.lexical_weight:  # else nothing but untrained models has a say
        assert link.candidates[0].name == "Alder"


@pytest.mark.parametrize("config", [path for path in CONFIGS if path.stem.endswith("-clip")], ids=lambda path: path.stem)
def test_clip_configs_ask_for_both_towers_of_one_model_and_its_space(config: Path) -> None:
    settings = read_settings(config)
    assert settings.features.text_encoder == settings.features.image_encoder == "openai/clip-vit-base-patch32"
    assert settings.model.dim == settings.model.text_input == settings.model.image_input == 512
