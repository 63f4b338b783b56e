"""A small linking problem whose texts a tiny transformer encodes, and a trainer in which that transformer learns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from toy_game import PLAN, RULES, make_schedule, unit

from pgmel.candidates import build_pools
from pgmel.features.fingerprints import FileDigests
from pgmel.features.live_text import LiveText, TextNumbers
from pgmel.features.loading import EncoderLoader
from pgmel.features.transformer_text import TransformerText
from pgmel.models import Discriminator, DiscriminatorShape, Generator, Modalities, let_learn
from pgmel.training import DevScores, EncoderTuner, LiveInputs, LiveSide, Schedule, Trainer, TrainingData, TunerPlan, World

DIM, IMAGE, LEXICAL = 16, 4, 3
THINGS = ["river", "painter", "town", "water", "canvas", "mayor", "bridge", "portrait", "market", "brook"]
COLOURS = ["red", "blue", "green"]
RATE = 0.02


@dataclass
class LiveToy:
    """Training data as the frozen encoder has it, and what makes it anew."""

    folder: Path
    data: TrainingData
    texts: dict[str, tuple[list[str], list[str]]]
    maps: Mapping[str, torch.Tensor]
    mentions: Modalities
    entities: Modalities

    def make_tuner(self, mode: str = "last-1", seed: int = 0, **plan: float) -> EncoderTuner:
        """Load the encoder anew, and let a part of it learn."""
        encoder = load(self.folder)
        network = encoder.open_network()
        parameters = let_learn(network.transformer, network.dense, mode, rank=2, alpha=4.0, seed=seed)
        inputs = make_inputs(network, self.texts, self.maps, self.mentions, self.entities)
        values = {"learning_rate": RATE, "weight_decay": 0.0, "clip_norm": 1.0} | plan
        return EncoderTuner(inputs, parameters, TunerPlan(mode, 2, 4.0, **values), encoder.identity, show_progress=False)


def load(folder: Path) -> TransformerText:
    encoder = EncoderLoader(None, "auto", 96, "cpu", FileDigests(None)).text(str(folder))
    assert isinstance(encoder, TransformerText)
    return encoder


def make_inputs(network: object, texts: dict, maps: Mapping[str, torch.Tensor], mentions: Modalities, entities: Modalities) -> LiveInputs:
    numbers = TextNumbers()
    numbered = [{name: torch.from_numpy(numbers.add(texts[name][side])) for name in maps} for side in (0, 1)]
    live = LiveText(network, numbers.texts, DIM, batch_size=8, show_progress=False)
    return LiveInputs(live, maps, LiveSide(mentions, numbered[0]), LiveSide(entities, numbered[1]))


def make_live_toy(folder: Path, num_mentions: int = 23) -> LiveToy:
    """Thirty entities (a colour and a thing), some without a description, one without any text; mentions say the colour in the context.

    Args:
        folder: Of the transformer.
        num_mentions: Training mentions.
    """
    rng = torch.Generator().manual_seed(0)
    names = [*(f"{colour} {thing}" for thing in THINGS for colour in COLOURS)][:29]
    names.append("")
    gold = torch.randint(29, (num_mentions,), generator=rng)
    surfaces = [THINGS[int(row) // 3] for row in gold]
    texts = {
        "name": (surfaces, names),
        "context": (
            [f"{surface} . a {COLOURS[int(row) % 3]} one flows" for surface, row in zip(surfaces, gold, strict=True)],
            [f"{name} . the alder" if name and place % 4 else name for place, name in enumerate(names)],
        ),
    }
    maps = {name: unit(DIM, DIM, rng=rng) * 0.5 for name in texts}
    sides = [
        Modalities(
            torch.cat([torch.zeros(rows, DIM - LEXICAL), 0.2 * unit(rows, LEXICAL, rng=rng)], 1),
            unit(rows, IMAGE, rng=rng) * (torch.arange(rows) % 3 != 0)[:, None],
            torch.ones(rows, dtype=torch.bool),
            torch.arange(rows) % 3 != 0,
        )
        for rows in (num_mentions, len(names))
    ]
    inputs = make_inputs(load(folder).open_network(), texts, maps, *sides)
    mentions, entities = inputs.from_table(inputs.text.encode_all())
    with torch.no_grad():
        discriminator = make_discriminator().eval()
        vectors, table = discriminator.embed_mentions(mentions).numpy(), discriminator.embed_entities(entities).numpy()
    pools = build_pools(vectors, table[gold.numpy()], table, gold.numpy(), 6, np.arange(len(names)), show_progress=False)
    data = TrainingData(mentions, entities, gold, *(torch.from_numpy(part) for part in pools), torch.arange(len(names)))
    return LiveToy(folder, data, texts, maps, *sides)


def make_discriminator() -> Discriminator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(
            DiscriminatorShape(
                dim_text=DIM,
                dim_image=IMAGE,
                dim=DIM + IMAGE + 2,
                image_dim=IMAGE,
                text_share=0.7,
                fusion="gmu",
                hidden=4,
                activation="none",
                dropout=0.1,
            )
        )


def make_live_trainer(
    toy: LiveToy,
    folder: Path,
    tuner: EncoderTuner | None,
    schedule: Schedule | None = None,
    world: World | None = None,
    **plan: object,
) -> Trainer:
    """Make a trainer with fresh players; dev is what training shows, by the newest vectors."""

    def score(discriminator: Discriminator) -> DevScores:
        sides = (toy.data.mentions, toy.data.entities)
        if tuner is not None and tuner.table is not None:
            sides = tuner.inputs.from_table(tuner.table)
        with torch.no_grad():
            scores = discriminator.embed_mentions(sides[0]) @ discriminator.embed_entities(sides[1]).T
        ranks = (scores > scores.gather(1, toy.data.gold_rows.unsqueeze(1))).sum(1) + 1
        return DevScores(float((ranks == 1).float().mean()), float((1 / ranks).mean()))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        generator = Generator(DIM + IMAGE, 8, 1.0, 0.1)
    return Trainer(
        make_discriminator(),
        generator,
        toy.data,
        rules=RULES,
        schedule=schedule or make_schedule(toy),
        plan=replace(PLAN, **{"learning_rate": 0.003, **plan}),
        evaluate=score,
        folder=folder,
        world=world,
        show_progress=False,
        tuner=tuner,
    )
