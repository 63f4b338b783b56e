"""The game: the model, the policy that picks wrong entities, and how both are trained."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from pgmel.settings.group import Count, Fraction, Group, NotNegative, Positive

__all__ = ["POLICIES", "GeneratorSettings", "ModelSettings", "NegativeSettings", "TrainingSettings"]


class ModelSettings(Group):
    """The discriminator's shared space."""

    dim: Annotated[int, Field(ge=4, le=8192)] = Field(512, description="Length of the vectors of mentions and entities.")
    text_input: Count = Field(768, description="Most columns of the text input, after PCA of the text channels.")
    image_input: Count = Field(256, description="Most columns of the image input, after PCA of the picture vectors.")
    whitening: Fraction = Field(0.5, description="How far PCA evens out the spread of the picture vectors: 0 not at all, 1 fully.")
    image_dim: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many of them start as the image's block; by default in proportion to the widths of the inputs."
    )
    fusion: Literal["gmu", "concat", "sum"] = Field(
        "gmu", description="How text and image are joined: gated multimodal unit, plain concatenation, or plain sum."
    )
    hidden: Annotated[int, Field(ge=0)] = Field(
        512, description="Width of the hidden layer beside each linear projection; 0 leaves it out."
    )
    activation: Literal["none", "tanh"] = Field(
        "none", description="`tanh` bounds the projections as in the unit's original form, scaled to its linear range."
    )
    start: Literal["warm", "random"] = Field("warm", description="`warm` starts at the zero-shot similarity, `random` anywhere.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Share of input features dropped in training.")


class GeneratorSettings(Group):
    """The policy that picks wrong entities."""

    dim: Count = Field(64, description="Length of the generator's own vectors.")
    prior_weight: NotNegative = Field(
        1.0, description="Weight of the retrieval score in the policy's logits; 0 starts from a uniform policy."
    )
    prior_temperature: Positive = Field(0.05, description="The retrieval score is divided by it.")
    prior: Literal["discriminator", "retrieval"] = Field(
        "discriminator",
        description="What the policy starts from: the discriminator's present scores, or the untrained model's that collected the pool.",
    )
    reward: Literal["similarity", "hinge", "sigmoid", "confidence"] = Field(
        "similarity", description="What the discriminator pays for a sampled negative."
    )
    reward_temperature: Positive = Field(
        0.05, description="Scale of the `sigmoid` and `confidence` rewards, and of the weights of `max_likelihood`."
    )
    false_negative_penalty: NotNegative = Field(
        0.0,
        description="Subtracted from the reward of likely false negatives: entities whose records say nearly the same as the gold one's.",
    )
    baseline: Literal["none", "moving_average", "batch_mean", "leave_one_out", "self_critical"] = Field(
        "leave_one_out", description="What is subtracted from the reward; `max_likelihood` subtracts nothing."
    )
    estimator: Literal["reinforce", "clipped", "max_likelihood"] = Field(
        "reinforce",
        description="How the policy learns from its draws; `clipped` takes all `steps` on the same draws, so it differs only where there are several.",
    )
    clip_range: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="How far the `clipped` estimator lets the probability of a draw move, as a share of it."
    )
    temperature_start: Positive = Field(1.0, description="The policy's logits are divided by it until the adversarial phase begins.")
    temperature_end: Positive = Field(
        1.0, description="And by it in the last step of that phase; between the two the temperature changes by equal steps."
    )
    draws: Count = Field(8, description="Independent draws per mention that the policy learns from.")
    entropy_weight: NotNegative = Field(0.01, description="Weight of the policy's entropy in its objective.")
    learning_rate: Positive = Field(1e-3, description="Step length of the generator's optimiser (Adam).")
    steps: Count = Field(1, description="Generator steps every time it learns.")
    discriminator_steps: Count = Field(1, description="Discriminator steps before each time the generator learns.")

    @model_validator(mode="after")
    def _check_draws(self) -> Self:
        if self.baseline == "leave_one_out" and self.draws < 2:
            raise ValueError("baseline = leave_one_out needs draws >= 2")
        if self.estimator == "max_likelihood" and self.draws < 2:
            raise ValueError("estimator = max_likelihood needs draws >= 2")
        return self


POLICIES: Final = ("kbgan", "irgan", "generator")
"""Rules for negatives that are policies, which learn."""


class NegativeSettings(Group):
    """Which wrong entities the discriminator is shown."""

    sampler: Literal[
        "uniform",
        "in_batch",
        "lexical",
        "tfidf",
        "jaccard",
        "pool_uniform",
        "hardest",
        "softmax",
        "ance",
        "kbgan",
        "irgan",
        "generator",
    ] = Field(
        "hardest", description="Rule that picks them; `generator` is PGMEL's trained policy, `kbgan` and `irgan` are two published ones."
    )
    num: Count = Field(8, description="Negatives per mention.")
    pool_size: Annotated[int, Field(ge=2)] = Field(
        64, description="Candidates per mention that pool samplers and the generator choose from."
    )
    temperature: Positive = Field(0.05, description="Of the softmax sampler.")
    gold_part: Fraction = Field(
        0.25, description="Share of the pool that holds neighbours of the gold entity; the rest are the mention's own."
    )
    refresh_every: Count = Field(50, description="Steps between refreshes of the entity vectors by which candidates are judged.")
    pools: Literal["fixed", "refreshed"] = Field(
        "fixed",
        description="`refreshed` collects the pools anew with the discriminator as it is; `fixed` keeps those of the untrained model.",
    )
    rebuild_every: Count = Field(1, description="Epochs between rebuilds of `refreshed` pools and of the lists of the `ance` sampler.")
    neighbours: Count = Field(64, description="Length of the lists that the `lexical`, `tfidf`, `jaccard` and `ance` samplers draw from.")


class TrainingSettings(Group):
    """The game."""

    objective: Literal["joint", "triplet"] = Field(
        "joint",
        description="What the discriminator minimises: `joint` is InfoNCE over the batch's gold entities and everybody's negatives, `triplet` the paper's hinge.",
    )
    margin: Positive = Field(0.2, description="Required gap between right and wrong similarity (triplet hinge).")
    infonce_weight: NotNegative = Field(
        0.0, description="Weight of in-batch InfoNCE beside the triplet hinge; 0 is the paper's form. `joint` takes no notice of it."
    )
    infonce_temperature: Positive = Field(0.05, description="Temperature of InfoNCE.")
    batch_size: Count = Field(128, description="Mentions per step, over all processes together.")
    pretrain_epochs: Annotated[int, Field(ge=0)] = Field(1, description="Epochs in which the discriminator learns alone.")
    pretrain_sampler: Literal["uniform", "in_batch", "lexical", "tfidf", "jaccard", "pool_uniform", "hardest", "softmax", "ance"] | None = (
        Field(
            None,
            description="Rule that picks the negatives of those epochs; by default `negatives.sampler` itself, and `softmax` before a policy, "
            "which is not trained yet.",
        )
    )
    pretrain_generator_epochs: Annotated[int, Field(ge=0)] = Field(
        1, description="Epochs in which the generator learns against the pretrained discriminator."
    )
    epochs: Annotated[int, Field(ge=0)] = Field(3, description="Adversarial epochs at most.")
    max_steps: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Stop after so many steps in all, those of pretraining included."
    )
    learning_rate: Positive = Field(3e-4, description="Step length of the discriminator's optimiser (AdamW) at its peak.")
    weight_decay: NotNegative = Field(10.0, description="Decay of the weights towards their start.")
    warmup: Fraction = Field(0.05, description="Share of the steps in which the step length rises.")
    clip_norm: Positive = Field(1.0, description="Gradients are cut to this norm.")
    patience: Count = Field(
        3, description="Stop the adversarial phase after so many evaluations on dev without a better MRR; those of pretraining count."
    )
    evaluate_every: Count = Field(1, description="Epochs between evaluations on dev; the last epoch is always evaluated.")
    log_every: Count = Field(20, description="Steps between rows of metrics.csv.")
    checkpoint_every: Count = Field(200, description="Steps between checkpoints.")
    keep_checkpoints: Count = Field(2, description="Checkpoints kept; each holds the best weights so far too.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="`auto` uses bfloat16 where the accelerator has it, else float32."
    )
    device: str = Field("auto", description="`auto`, `cpu`, `cuda`, `cuda:1`, `mps`.")
    threads: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Threads for the arithmetic; by default the number of cores, 4 at most."
    )
    tensorboard: bool = Field(True, description="Write TensorBoard files beside metrics.csv.")
