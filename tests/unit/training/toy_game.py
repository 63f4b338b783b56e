"""A small linking problem with a hidden linear relation, and everything that a trainer needs for it."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from pgmel.candidates import build_pools
from pgmel.models import Discriminator, DiscriminatorShape, Generator, Modalities
from pgmel.negatives import NEEDS_NEIGHBOURS
from pgmel.training import DevScores, GameRules, NeighbourLists, Schedule, Trainer, TrainingData, TrainingPlan, World

TEXT, IMAGE = 10, 6

RULES = GameRules(
    num_negatives=3,
    temperature=0.1,
    margin=0.2,
    objective="triplet",
    infonce_weight=0.5,
    infonce_temperature=0.1,
    prior="retrieval",
    reward="similarity",
    reward_temperature=0.1,
    baseline="leave_one_out",
    draws=4,
    entropy_weight=0.01,
)

PLAN = TrainingPlan(
    sampler="generator",
    pretrain_sampler="pool_uniform",
    refresh_every=4,
    learning_rate=0.01,
    generator_learning_rate=0.01,
    generator_steps=1,
    discriminator_steps=1,
    weight_decay=0.0,
    warmup=0.1,
    clip_norm=1.0,
    patience=100,
    checkpoint_every=10,
    keep_checkpoints=2,
    log_every=3,
    tensorboard=False,
    seed=0,
)


def unit(*shape: int, rng: torch.Generator) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, generator=rng), dim=-1)


def rotation(dim: int, strength: float, rng: torch.Generator) -> Tensor:
    skew = torch.randn(dim, dim, generator=rng) * strength / dim**0.5
    return torch.matrix_exp(skew - skew.T)


@dataclass
class Toy:
    """Training data, and dev mentions of the same entities that training never shows."""

    data: TrainingData
    dev: Modalities
    dev_gold: Tensor

    def score(self, discriminator: Discriminator) -> DevScores:
        """Rank every dev mention's gold entity against the whole KB."""
        with torch.no_grad():
            scores = discriminator.embed_mentions(self.dev) @ discriminator.embed_entities(self.data.entities).T
        gold = scores.gather(1, self.dev_gold.unsqueeze(1))
        ranks = (scores > gold).sum(1) + 1
        return DevScores(float((ranks == 1).float().mean()), float((1 / ranks).mean()))


def make_toy(entities: int = 60, mentions: int = 150, pool: int = 10, strength: float = 0.6, seed: int = 0) -> Toy:
    """Mentions are entities, turned by a fixed rotation and blurred; every fifth mention and entity has no picture."""
    rng = torch.Generator().manual_seed(seed)
    text, image = unit(entities, TEXT, rng=rng), unit(entities, IMAGE, rng=rng)
    turn_text, turn_image = rotation(TEXT, strength, rng), rotation(IMAGE, strength, rng)

    def mention_of(gold: Tensor) -> Modalities:
        there = torch.arange(len(gold)) % 5 != 4
        blurred = [
            values @ turn + 0.1 * torch.randn(len(gold), turn.shape[0], generator=rng)
            for values, turn in ((text[gold], turn_text), (image[gold], turn_image))
        ]
        texts, images = (torch.nn.functional.normalize(values, dim=1) for values in blurred)
        return Modalities(texts, images * there[:, None], torch.ones(len(gold), dtype=torch.bool), there)

    gold, dev_gold = torch.randint(entities, (mentions,), generator=rng), torch.randint(entities, (mentions,), generator=rng)
    has_image = torch.arange(entities) % 5 != 3
    side = Modalities(text, image * has_image[:, None], torch.ones(entities, dtype=torch.bool), has_image)
    train, dev = mention_of(gold), mention_of(dev_gold)
    discriminator = make_discriminator()
    with torch.no_grad():
        vectors, table = discriminator.embed_mentions(train).numpy(), discriminator.embed_entities(side).numpy()
    pools = build_pools(vectors, table[gold.numpy()], table, gold.numpy(), pool, torch.arange(entities).numpy(), show_progress=False)
    data = TrainingData(train, side, gold, *(torch.from_numpy(part) for part in pools), torch.arange(entities))
    return Toy(data._replace(likely_false=likely_false_of(text, gold), neighbours=neighbours_of(text, gold)), dev, dev_gold)


def neighbours_of(text: Tensor, gold: Tensor) -> dict[str, NeighbourLists]:
    """The entities whose text is most like the gold one's, as the lists of every rule that wants some; that of entity 0 is empty."""
    distinct, of_mention = torch.unique(gold, return_inverse=True)
    similar = text[distinct] @ text.T
    similar[torch.arange(len(distinct)), distinct] = -2
    rows = similar.topk(min(6, len(text) - 1), dim=1).indices
    mask = (distinct != 0).unsqueeze(1).expand_as(rows)
    return {rule: NeighbourLists(of_mention, rows * mask, mask.clone()) for rule in sorted(NEEDS_NEIGHBOURS)}


def likely_false_of(text: Tensor, gold: Tensor) -> Tensor:
    """The entity with the most similar text, for gold entities with even numbers."""
    similar = text[gold] @ text.T
    similar[torch.arange(len(gold)), gold] = -2
    return similar.argmax(dim=1, keepdim=True).masked_fill((gold % 2 == 1).unsqueeze(1), -1)


def make_discriminator(**changes: object) -> Discriminator:
    shape = {
        "dim_text": TEXT,
        "dim_image": IMAGE,
        "dim": TEXT + IMAGE + 2,
        "image_dim": IMAGE,
        "text_share": 0.6,
        "fusion": "gmu",
        "hidden": 0,
        "activation": "none",
        "dropout": 0.0,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Discriminator(DiscriminatorShape(**(shape | changes)))


def make_generator(prior_weight: float = 1.0) -> Generator:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Generator(TEXT + IMAGE, 8, prior_weight, 0.1)


def make_trainer(
    toy: Toy,
    folder: Path,
    schedule: Schedule | None = None,
    *,
    rules: dict[str, object] | None = None,
    plan: dict[str, object] | None = None,
    discriminator: Discriminator | None = None,
    world: World | None = None,
) -> Trainer:
    """Make a trainer from the toy's data with fresh players."""
    return Trainer(
        discriminator or make_discriminator(),
        make_generator(),
        toy.data,
        rules=replace(RULES, **(rules or {})),
        schedule=schedule or make_schedule(toy),
        plan=replace(PLAN, **(plan or {})),
        evaluate=toy.score,
        folder=folder,
        world=world,
        show_progress=False,
    )


def make_schedule(toy: Toy, pretrain: int = 1, generator: int = 1, adversarial: int = 2, max_steps: int | None = None) -> Schedule:
    """Five steps make an epoch, so that the usual four phases make twenty."""
    mentions = len(toy.data.gold_rows)
    return Schedule(mentions, -(-mentions // 5), pretrain, generator, adversarial, max_steps)
