"""The generator's side of the game: what its policy chooses from, what the draws are paid, and the loss it learns by."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple, cast, final

import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from pgmel.models import Generator, take_rows
from pgmel.negatives import IRGAN_TEMPERATURE, KBGAN_CANDIDATES, PUBLISHED_RULES, Batch, offer_kbgan
from pgmel.objectives import (
    BASELINES,
    ESTIMATORS,
    NEEDS_GREEDY,
    PUBLISHED_REWARDS,
    REUSES_DRAWS,
    REWARDS,
    Draws,
    EstimatorRules,
    draw_independent,
    drawable,
    log_probabilities,
)
from pgmel.registry import look_up
from pgmel.training.data import GameRules, TrainingData
from pgmel.training.distributed import World

__all__ = ["PolicyLearner"]


class Offer(NamedTuple):
    """What the policy chooses from, one row per decision; the decisions of a mention stand in a row, equally many for each."""

    mentions: Int[Tensor, "decisions"]
    rows: Int[Tensor, "decisions candidates"]
    mask: Bool[Tensor, "decisions candidates"]
    retrieval: Float32[Tensor, "decisions candidates"]
    inputs: Float[Tensor, "decisions candidates dim_input"]
    temperature: float


class Turn(NamedTuple):
    """One set of draws; ``logits`` carry the gradient of the policy that drew, and are None once a step has changed it."""

    rows: Int[Tensor, "batch"]
    offer: Offer
    logits: Float[Tensor, "decisions candidates"] | None
    draws: Draws
    alive: Bool[Tensor, "decisions"]
    mean_reward: Float[Tensor, ""]


@final
class PolicyLearner:
    """Let a policy draw, be paid, and learn.

    Three policies share it: our generator's over the pool (prior plus residual), KBGAN's over uniform candidates and IRGAN's over the pool,
    both of the residual alone. What a publication fixes replaces the rules of the same names.

    Args:
        rule: Name of the policy among the rules for negatives.
        generator: Gives logits.
        rules: Plain values.
        world: This process among others.
        judge: Gives the discriminator's scores of entities for training mentions, detached.
    """

    def __init__(
        self, rule: str, generator: Generator, rules: GameRules, world: World, judge: Callable[[Tensor, Tensor], Float[Tensor, "batch num"]]
    ) -> None:
        self.rule = rule
        self.generator = generator
        self.rules = replace(rules, **cast(dict[str, Any], PUBLISHED_RULES.get(rule, {})))
        self.world = world
        self.judge = judge
        self.temperature = 1.0
        self.running_reward = 0.0
        rewards = REWARDS | PUBLISHED_REWARDS if rule in PUBLISHED_RULES else REWARDS
        self.reward = look_up(rewards, self.rules.reward, "generator.reward")
        self.baseline = look_up(BASELINES, self.rules.baseline, "generator.baseline")
        self.estimator = look_up(ESTIMATORS, self.rules.estimator, "generator.estimator")
        self._data: TrainingData | None = None
        self._entities: Tensor | None = None
        self._gathered: tuple[Tensor, Tensor, Tensor] | None = None
        self._turn: Turn | None = None

    @property
    def data(self) -> TrainingData:
        """What is played with."""
        if self._data is None:
            raise RuntimeError("the policy has not been shown any data")
        return self._data

    def see(self, data: TrainingData) -> None:
        """Take other inputs or pools."""
        if self._data is None or data.entities is not self._data.entities:
            self._entities = None
        self._data, self._gathered, self._turn = data, None, None

    def _inputs(self) -> Float[Tensor, "entities dim_input"]:
        # Made at the first use: a copy of all inputs of the KB, which fixed rules never read.
        if self._entities is None:
            self._entities = Generator.inputs(self.data.entities)
        return self._entities

    def pool_logits(self, rows: Int[Tensor, "batch"]) -> Float[Tensor, "batch candidates"]:
        """Return our generator's logits over the pools of some mentions, at the temperature that is set."""
        return self._logits(self._pool_offer(rows, prior=True))

    def residual_logits(
        self, rows: Int[Tensor, "batch"], candidates: Int[Tensor, "batch any"], mask: Bool[Tensor, "batch any"]
    ) -> Float[Tensor, "batch any"]:
        """Return the generator's logits without the prior over any candidates."""
        nothing = torch.zeros(candidates.shape, device=candidates.device)
        logits: Tensor = self.generator(self.data.mentions.rows(rows), take_rows(self._inputs(), candidates), nothing, mask)
        return logits

    def loss(self, batch: Batch, rows: Int[Tensor, "batch"], rng: torch.Generator, again: bool = False) -> tuple[Tensor, dict[str, Tensor]]:
        """Return this process's part of the policy's loss on a batch, and sums for the log.

        Args:
            batch: What a rule may look at, of the same mentions.
            rows: Training mentions.
            rng: The only source of chance.
            again: A further step of the same turn: estimators that reuse draws take those of the step before.
        """
        turn = self._turn if again and self._turn is not None else self._draw(batch, rows, rng)
        self._turn = turn._replace(logits=None) if self.rules.estimator in REUSES_DRAWS else None
        logits = self._logits(turn.offer) if turn.logits is None else turn.logits
        own = self._own(turn)
        knobs = EstimatorRules(self.rules.entropy_weight, self.rules.clip_range, self.rules.reward_temperature)
        terms = self.estimator(logits[own], turn.draws.rows(own), knobs)
        alive, advantages = turn.alive, turn.draws.advantages
        share = alive[own].sum() / alive.sum().clamp_min(1)
        log = {
            "generator_loss": terms.loss.detach() * share,
            "policy_entropy": terms.entropy.detach() * share,
            "reward": turn.mean_reward / self.world.size,
            "advantage_std": advantages[alive].std(unbiased=False) / self.world.size if alive.any() else turn.mean_reward,
        }
        return terms.loss * share, log

    def _draw(self, batch: Batch, rows: Tensor, rng: torch.Generator) -> Turn:
        offer = self._offer(batch, rows, rng)
        logits = self._logits(offer)
        with torch.no_grad():
            actions = draw_independent(drawable(logits), self.rules.draws, rng)
            rewards, greedy = self._pay(batch, rows, offer, logits, actions)
            alive = offer.mask.any(dim=1)
            advantages = torch.zeros_like(rewards)
            advantages[alive] = rewards[alive] - self.baseline(rewards[alive], self.running_reward, greedy[alive])
            mean_reward = rewards[alive].mean() if alive.any() else rewards.new_zeros(())
            draws = Draws(actions, rewards, advantages, log_probabilities(logits, actions))
        self.running_reward = 0.9 * self.running_reward + 0.1 * float(mean_reward)
        return Turn(rows, offer, logits, draws, alive, mean_reward)

    def _pay(self, batch: Batch, rows: Tensor, offer: Offer, logits: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rewards of the draws, and that of each decision's most probable choice; zero where no baseline asks for it."""
        columns = actions
        if self.rules.baseline in NEEDS_GREEDY:
            columns = torch.cat([actions, logits.argmax(dim=1, keepdim=True)], dim=1)
        drawn = offer.rows.gather(1, columns)
        entities = drawn.reshape(len(rows), drawn.numel() // max(len(rows), 1))
        # Gold and wrong entities are judged by the same table, so that its staleness cancels out.
        scores = self.judge(rows, torch.cat([batch.gold_rows.unsqueeze(1), entities], dim=1))
        paid = self.reward(scores[:, :1], scores[:, 1:], self.rules.margin, self.rules.reward_temperature)
        if self.rules.false_negative_penalty:
            paid = paid - self.rules.false_negative_penalty * self.data.are_likely_false(rows, entities)
        paid = paid.reshape(drawn.shape)
        greedy = paid[:, -1:] if self.rules.baseline in NEEDS_GREEDY else torch.zeros_like(paid[:, :1])
        return paid[:, : actions.shape[1]], greedy

    def _offer(self, batch: Batch, rows: Tensor, rng: torch.Generator) -> Offer:
        if self.rule != "kbgan":
            return self._pool_offer(rows, prior=self.rule == "generator")
        num = self.rules.num_negatives
        candidates, mask = (part.reshape(-1, KBGAN_CANDIDATES) for part in offer_kbgan(batch, num, rng))
        nothing = torch.zeros(candidates.shape, device=candidates.device)
        return Offer(rows.repeat_interleave(num), candidates, mask, nothing, take_rows(self._inputs(), candidates), 1.0)

    def _pool_offer(self, rows: Tensor, prior: bool) -> Offer:
        data = self.data
        inputs, scores = self._gather(rows)
        retrieval = scores if prior else torch.zeros_like(scores)
        temperature = self.temperature if prior else IRGAN_TEMPERATURE
        return Offer(rows, data.pool_rows[rows], data.pool_mask[rows], retrieval, inputs, temperature)

    def _gather(self, rows: Tensor) -> tuple[Float[Tensor, "batch candidates dim_input"], Float[Tensor, "batch candidates"]]:
        """Return the inputs and the prior's scores of the pools of some mentions."""
        # A step asks twice for the same pools, to draw negatives and to learn; fetching them is most of the generator's cost.
        if self._gathered is None or self._gathered[0] is not rows:
            pool = self.data.pool_rows[rows]
            judges = self.rule == "generator" and self.rules.prior == "discriminator"
            scores = self.judge(rows, pool) if judges else self.data.pool_scores[rows]
            self._gathered = rows, take_rows(self._inputs(), pool), scores
        return self._gathered[1:]

    def _logits(self, offer: Offer) -> Float[Tensor, "decisions candidates"]:
        logits: Tensor = self.generator(self.data.mentions.rows(offer.mentions), offer.inputs, offer.retrieval, offer.mask)
        return logits / offer.temperature

    def _own(self, turn: Turn) -> slice:
        """Return this process's decisions."""
        mentions = self.world.share(len(turn.rows))
        each = len(turn.alive) // max(len(turn.rows), 1)
        return slice(mentions.start * each, mentions.stop * each)
