"""One step of the game: the discriminator learns from negatives, the generator from what they were worth."""

from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from pgmel.models import Discriminator, Generator, Modalities
from pgmel.negatives import SAMPLERS, Batch, Negatives
from pgmel.objectives import BASELINES, REWARDS, draw_independent, in_batch_infonce, masked_mean, policy_entropy, reinforce, triplet_hinge
from pgmel.registry import look_up
from pgmel.training.distributed import World

__all__ = ["Game", "GameRules", "TrainingData"]


class TrainingData(NamedTuple):
    """Inputs of training, all on one device.

    Attributes:
        mentions: Inputs of the training mentions.
        entities: Inputs of the whole KB.
        gold_rows: KB row of each mention's gold entity.
        pool_rows: KB rows of each mention's candidate pool.
        pool_mask: True where a pool place is usable.
        pool_scores: Retrieval score of each candidate.
        groups: Number of each entity's duplicate group; the gold entity's duplicates are false negatives.
    """

    mentions: Modalities
    entities: Modalities
    gold_rows: Int[Tensor, "mentions"]
    pool_rows: Int[Tensor, "mentions candidates"]
    pool_mask: Bool[Tensor, "mentions candidates"]
    pool_scores: Float32[Tensor, "mentions candidates"]
    groups: Int[Tensor, "entities"]

    def to(self, device: torch.device) -> "TrainingData":
        """Move to a device."""
        moved = [part.to(device) for part in self[2:]]
        return TrainingData(self.mentions.to(device), self.entities.to(device), *moved)


@final
@dataclass(frozen=True)
class GameRules:
    """Plain values that the game is played by; the settings of the same names say what each means."""

    num_negatives: int
    temperature: float
    margin: float
    infonce_weight: float
    infonce_temperature: float
    reward: str
    reward_temperature: float
    baseline: str
    draws: int
    entropy_weight: float
    bfloat16: bool = False


@final
class Game:
    """The two players, and the table of entity vectors that negatives are judged by.

    The table holds every entity's vector as the discriminator saw it at the last refresh: judging a pool of 64 then costs a look-up
    and a dot product instead of 64 passes through a tower. Losses use fresh vectors.

    Args:
        discriminator: Learns.
        generator: Learns.
        data: Inputs.
        rules: Plain values.
        world: This process among others.
    """

    def __init__(self, discriminator: Discriminator, generator: Generator, data: TrainingData, rules: GameRules, world: World) -> None:
        self.discriminator = discriminator
        self.generator = generator
        self.data = data
        self.rules = rules
        self.world = world
        self.running_reward = 0.0
        self.reward = look_up(REWARDS, rules.reward, "generator.reward")
        self.baseline = look_up(BASELINES, rules.baseline, "generator.baseline")
        self.table = torch.empty(0)
        self.entity_inputs = Generator.inputs(data.entities)

    def refresh_table(self) -> None:
        """Embed the whole KB anew for judging."""
        self.discriminator.eval()
        with torch.no_grad():
            rows = torch.arange(self.data.entities.shape[0], device=self.data.gold_rows.device)
            parts = [self.discriminator.embed_entities(self.data.entities.rows(part)) for part in torch.split(rows, 8192)]
            self.table = torch.cat(parts)
        self.discriminator.train()

    def draw(self, rows: Int[Tensor, "batch"], sampler: str, rng: torch.Generator) -> Negatives:
        """Let a rule pick negatives for a batch; every process draws for the whole batch, so that all draw alike."""
        rule = look_up(SAMPLERS, sampler, "negatives.sampler")
        with torch.no_grad():
            return rule(self._batch(rows), self.rules.num_negatives, self.rules.temperature, rng)

    def discriminator_loss(self, rows: Int[Tensor, "batch"], negatives: Negatives) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this process's part of the loss of a batch, and sums for the log.

        Adding the parts of all processes up gives the loss of the whole batch.
        """
        own = self.world.share(len(rows))
        gold = self.data.gold_rows[rows]
        with self._autocast():
            mentions = self.discriminator.embed_mentions(self.data.mentions.rows(rows[own]))
            positives = self.discriminator.embed_entities(self.data.entities.rows(gold[own]))
            wrong = self.discriminator.embed_entities(self.data.entities.rows(negatives.rows[own]))
        mentions, positives, wrong = mentions.float(), positives.float(), wrong.float()
        positive = (mentions * positives).sum(dim=1, keepdim=True)
        negative = torch.bmm(wrong, mentions.unsqueeze(2)).squeeze(2)
        mask = negatives.mask[own]
        hinge = triplet_hinge(positive, negative, self.rules.margin)
        # Averaged over the usable negatives of the whole batch, whichever process holds them.
        local_share = mask.sum() / negatives.mask.sum().clamp_min(1)
        loss = masked_mean(hinge, mask) * local_share
        log = {
            "triplet_loss": loss.detach(),
            "active_share": masked_mean((hinge > 0).float(), mask) * local_share,
            "positive_score": positive.detach().sum() / len(rows),
            "negative_score": masked_mean(negative.detach(), mask) * local_share,
        }
        if self.rules.infonce_weight > 0:
            everyone = self.world.gather_rows(positives, len(rows))
            columns = torch.arange(len(rows), device=gold.device)[own]
            group = self.data.groups[gold]
            usable = group.unsqueeze(0) != group[own].unsqueeze(1)
            contrast = in_batch_infonce(mentions @ everyone.T, columns, usable, self.rules.infonce_temperature).sum() / len(rows)
            loss = loss + self.rules.infonce_weight * contrast
            log["infonce_loss"] = contrast.detach()
        log["discriminator_loss"] = loss.detach()
        return loss, log

    def generator_loss(self, rows: Int[Tensor, "batch"], rng: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this process's part of the generator's loss on a batch, and sums for the log.

        The policy draws independently from the pool, the discriminator (through the table) pays, and REINFORCE weighs the draws.
        """
        own = self.world.share(len(rows))
        batch = self._batch(rows)
        logits = self._logits(rows)
        with torch.no_grad():
            actions = draw_independent(_drawable(logits), self.rules.draws, rng)
            rewards = self._rewards(rows, batch, actions)
            alive = batch.pool_mask.any(dim=1)
            advantages = torch.zeros_like(rewards)
            advantages[alive] = rewards[alive] - self.baseline(rewards[alive], self.running_reward)
            mean_reward = rewards[alive].mean() if alive.any() else rewards.new_zeros(())
        terms = reinforce(logits[own], actions[own], advantages[own], self.rules.entropy_weight)
        share = alive[own].sum() / alive.sum().clamp_min(1)
        self.running_reward = 0.9 * self.running_reward + 0.1 * float(mean_reward)
        log = {
            "generator_loss": terms.loss.detach() * share,
            "policy_entropy": terms.entropy.detach() * share,
            "reward": mean_reward / self.world.size,
            "advantage_std": advantages[alive].std(unbiased=False) / self.world.size if alive.any() else mean_reward,
        }
        return terms.loss * share, log

    def entropy(self, rows: Int[Tensor, "batch"]) -> float:
        """Return the mean entropy of the policy on some mentions, in nats."""
        with torch.no_grad():
            return float(policy_entropy(self._logits(rows)).mean())

    def _batch(self, rows: Tensor) -> Batch:
        pool = self.data.pool_rows[rows]
        return Batch(
            gold_rows=self.data.gold_rows[rows],
            pool_rows=pool,
            pool_mask=self.data.pool_mask[rows],
            num_entities=self.data.entities.shape[0],
            groups=self.data.groups,
            score_pool=lambda: self._judge(rows, pool),
            policy_logits=lambda: self._logits(rows),
        )

    def _judge(self, rows: Tensor, candidates: Tensor) -> Float[Tensor, "batch candidates"]:
        with torch.no_grad():
            self.discriminator.eval()
            mentions = self.discriminator.embed_mentions(self.data.mentions.rows(rows))
            self.discriminator.train()
            return torch.bmm(self.table[candidates], mentions.unsqueeze(2)).squeeze(2)

    def _rewards(self, rows: Tensor, batch: Batch, actions: Tensor) -> Float[Tensor, "batch actions"]:
        # Gold and wrong entities are judged by the same table, so that its staleness cancels out.
        drawn = batch.pool_rows.gather(1, actions)
        scores = self._judge(rows, torch.cat([batch.gold_rows.unsqueeze(1), drawn], dim=1))
        return self.reward(scores[:, :1], scores[:, 1:], self.rules.margin, self.rules.reward_temperature)

    def _logits(self, rows: Tensor) -> Float[Tensor, "batch candidates"]:
        candidates = self.entity_inputs[self.data.pool_rows[rows]]
        mask = self.data.pool_mask[rows]
        logits: Tensor = self.generator(self.data.mentions.rows(rows), candidates, self.data.pool_scores[rows], mask)
        return logits

    def _autocast(self) -> torch.autocast:
        device = self.data.gold_rows.device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.rules.bfloat16)


def _drawable(logits: Float[Tensor, "batch candidates"]) -> Float[Tensor, "batch candidates"]:
    """Make pools without any candidate uniform, so that drawing works; such rows take no part in the loss."""
    empty = torch.isneginf(logits).all(dim=1, keepdim=True)
    return torch.where(empty, torch.zeros_like(logits), logits)
