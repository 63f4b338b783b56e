"""One step of the game: the discriminator learns from negatives, the generator from what they were worth."""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from pgmel.errors import SettingError
from pgmel.models import Discriminator, Generator, Modalities, take_rows
from pgmel.negatives import SAMPLERS, Batch, Negatives
from pgmel.objectives import infonce, masked_mean, policy_entropy, triplet_hinge
from pgmel.registry import look_up
from pgmel.training.data import GameRules, TrainingData
from pgmel.training.distributed import World
from pgmel.training.inputs import Inputs, TableInputs
from pgmel.training.policy import PolicyLearner
from pgmel.training.refresh import collect_pools, embed_all

__all__ = ["Game"]


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
        inputs: Where the inputs of losses come from; None takes them from the data.
        policy: Which learned rule the generator plays.
    """

    def __init__(
        self,
        discriminator: Discriminator,
        generator: Generator,
        data: TrainingData,
        rules: GameRules,
        world: World,
        inputs: Inputs | None = None,
        policy: str = "generator",
    ) -> None:
        self.discriminator = discriminator
        self.generator = generator
        self.data = data
        self.rules = rules
        self.world = world
        self.table = torch.empty(0)
        self.nearest: tuple[Int[Tensor, "mentions listed"], Bool[Tensor, "mentions listed"]] | None = None
        self._pools_rebuilt = False
        self.policy = PolicyLearner(policy, generator, rules, world, self._judge)
        self.policy.see(data)
        self.inputs = inputs or TableInputs(data.mentions, data.entities)

    def renew_inputs(self, mentions: Modalities, entities: Modalities) -> None:
        """Take newer inputs for all but the losses: judging, and the generator's own."""
        self.data = self.data._replace(mentions=mentions, entities=entities)
        self.policy.see(self.data)

    def refresh_table(self) -> None:
        """Embed the whole KB anew for judging."""
        self.discriminator.eval()
        self.table = embed_all(self.discriminator.embed_entities, self.data.entities)
        self.discriminator.train()

    def rebuild_pools(self, gold_part: float) -> None:
        """Collect the candidate pools anew with the discriminator as it is."""
        pools = collect_pools(self.discriminator, self.data, self.data.pool_rows.shape[1], gold_part)
        self._take_pools(*(torch.from_numpy(part) for part in pools))

    def rebuild_nearest(self, size: int) -> None:
        """List the entities nearest to every training mention under the discriminator as it is."""
        pools = collect_pools(self.discriminator, self.data, min(size, self.data.entities.shape[0]), gold_part=0.0)
        device = self.data.gold_rows.device
        self.nearest = torch.from_numpy(pools.rows).to(device), torch.from_numpy(pools.mask).to(device)

    def rebuilt(self) -> dict[str, dict[str, Tensor]]:
        """Return what was rebuilt so far, as parts of a checkpoint."""
        parts: dict[str, dict[str, Tensor]] = {}
        if self._pools_rebuilt:
            data = self.data
            parts["pools"] = {"rows": data.pool_rows.int(), "mask": data.pool_mask, "scores": data.pool_scores}
        if self.nearest is not None:
            parts["nearest"] = {"rows": self.nearest[0].int(), "mask": self.nearest[1]}
        return parts

    def restore_rebuilt(self, pools: Mapping[str, Tensor], nearest: Mapping[str, Tensor]) -> None:
        """Go on with the pools and lists of a checkpoint; empty ones change nothing."""
        device = self.data.gold_rows.device
        if pools:
            self._take_pools(pools["rows"].long(), pools["mask"], pools["scores"])
        if nearest:
            self.nearest = nearest["rows"].long().to(device), nearest["mask"].to(device)

    def _take_pools(self, rows: Tensor, mask: Tensor, scores: Tensor) -> None:
        device = self.data.gold_rows.device
        self.data = self.data._replace(pool_rows=rows.to(device), pool_mask=mask.to(device), pool_scores=scores.to(device))
        self.policy.see(self.data)
        self._pools_rebuilt = True

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
            of_mentions, of_gold, of_wrong = self.inputs(rows[own], gold[own], negatives.rows[own])
            mentions = self.discriminator.embed_mentions(of_mentions)
            positives = self.discriminator.embed_entities(of_gold)
            wrong = self.discriminator.embed_entities(of_wrong)
        mentions, positives, wrong = mentions.float(), positives.float(), wrong.float()
        positive = (mentions * positives).sum(dim=1, keepdim=True)
        negative = torch.bmm(wrong, mentions.unsqueeze(2)).squeeze(2)
        mask = negatives.mask[own]
        hinge = triplet_hinge(positive, negative, self.rules.margin)
        # Averaged over the usable negatives of the whole batch, whichever process holds them.
        local_share = mask.sum() / negatives.mask.sum().clamp_min(1)
        triplet = masked_mean(hinge, mask) * local_share
        log = {
            "triplet_loss": triplet.detach(),
            "active_share": masked_mean((hinge > 0).float(), mask) * local_share,
            "positive_score": positive.detach().sum() / len(rows),
            "negative_score": masked_mean(negative.detach(), mask) * local_share,
        }
        if self.rules.objective == "joint":
            loss = log["infonce_loss"] = self._contrast(mentions, positives, wrong, gold, negatives)
        elif self.rules.infonce_weight > 0:
            contrast = log["infonce_loss"] = self._contrast(mentions, positives, None, gold, negatives)
            loss = triplet + self.rules.infonce_weight * contrast
        else:
            loss = triplet
        log["discriminator_loss"] = loss
        return loss, {name: value.detach() for name, value in log.items()}

    def _contrast(
        self,
        mentions: Float[Tensor, "own dim"],
        positives: Float[Tensor, "own dim"],
        wrong: Float[Tensor, "own negatives dim"] | None,
        gold: Int[Tensor, "batch"],
        negatives: Negatives,
    ) -> Float[Tensor, ""]:
        """Return this process's part of InfoNCE against the gold entities of the whole batch and, if given, all its negatives."""
        own = self.world.share(len(gold))
        vectors, columns = self.world.gather_rows(positives, len(gold)), gold
        usable = torch.ones_like(gold, dtype=torch.bool)
        if wrong is not None:
            everyone = self.world.gather_rows(wrong.flatten(1), len(gold)).reshape(-1, wrong.shape[2])
            vectors = torch.cat([vectors, everyone])
            columns = torch.cat([gold, negatives.rows.flatten()])
            usable = torch.cat([usable, negatives.mask.flatten()])
        group = self.data.groups
        different = group[columns].unsqueeze(0) != group[gold[own]].unsqueeze(1)
        places = torch.arange(len(gold), device=gold.device)[own]
        losses = infonce(mentions @ vectors.T, places, different & usable, self.rules.infonce_temperature)
        return losses.sum() / len(gold)

    def describe_negatives(self, rows: Int[Tensor, "batch"], negatives: Negatives) -> dict[str, Tensor]:
        """Return this process's part of figures on the negatives of a batch, for the log."""
        count = negatives.mask.sum().clamp_min(1) * self.world.size
        likely = self.data.are_likely_false(rows, negatives.rows) & negatives.mask
        pool = self.data.pool_rows[rows].unsqueeze(1)
        found = (negatives.rows.unsqueeze(2) == pool) & self.data.pool_mask[rows].unsqueeze(1)
        outside = torch.full_like(negatives.rows, pool.shape[2] + 1)
        place = torch.where(found.any(dim=2), found.int().argmax(dim=2) + 1, outside) if pool.shape[2] else outside
        return {"likely_false_share": likely.sum() / count, "negative_rank": (place * negatives.mask).sum() / count}

    def generator_loss(self, rows: Int[Tensor, "batch"], rng: torch.Generator, again: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this process's part of the generator's loss on a batch, and sums for the log; see :class:`PolicyLearner`."""
        return self.policy.loss(self._batch(rows), rows, rng, again)

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
            residual_logits=lambda candidates, mask: self.policy.residual_logits(rows, candidates, mask),
            neighbours=lambda rule: self.data.neighbours_of(rule, rows),
            nearest=lambda: self._nearest(rows),
        )

    def _nearest(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        if self.nearest is None:
            raise SettingError("negatives.sampler = ance needs lists of nearest entities, which have not been built yet")
        return self.nearest[0][rows], self.nearest[1][rows]

    def _judge(self, rows: Tensor, candidates: Tensor) -> Float[Tensor, "batch candidates"]:
        with torch.no_grad():
            self.discriminator.eval()
            mentions = self.discriminator.embed_mentions(self.data.mentions.rows(rows))
            self.discriminator.train()
            return torch.bmm(mentions.unsqueeze(1), take_rows(self.table, candidates).transpose(1, 2)).squeeze(1)

    def _logits(self, rows: Tensor) -> Float[Tensor, "batch candidates"]:
        return self.policy.pool_logits(rows)

    def _autocast(self) -> torch.autocast:
        device = self.data.gold_rows.device.type
        return torch.autocast(device, dtype=torch.bfloat16, enabled=self.rules.bfloat16)
