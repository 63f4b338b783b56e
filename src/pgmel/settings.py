"""Every setting, with its rule; read from TOML, overridden from the command line, checked in one pass.

Settings are frozen. Parts receive plain values from them, never the settings object. ``read_settings`` collects every fault of a file
and its overrides before it raises, and names the nearest valid key.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pgmel.registry import nearest
from pgmel.toml_files import apply_overrides, describe_fault, raise_faults, read_toml

__all__ = [
    "DataSettings",
    "EvaluationSettings",
    "FeatureSettings",
    "GeneratorSettings",
    "IndexSettings",
    "LinkingSettings",
    "ModelSettings",
    "NegativeSettings",
    "Settings",
    "TrainingSettings",
    "read_settings",
    "settings_from",
]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataSettings(_Group):
    """What is read."""

    path: Path | None = Field(None, description="Folder or file of the data set; `--data` on the command line.")
    layout: Literal["auto", "generic", "mimic", "melbench", "kgmel", "wikidiverse-caption", "wikidiverse-mention"] = Field(
        "auto", description="Layout of the files: `auto` detects it; see `pgmel data layouts`."
    )
    train_split: str = Field("train", description="Split that training reads.")
    dev_split: str = Field("dev", description="Split that early stopping, thresholds and calibration read.")
    on_error: Literal["stop", "skip"] = Field("stop", description="`stop` at the first faulty record, or `skip`, count and list them.")
    max_train_mentions: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Train on so many mentions at most, drawn at random; every seed of the run has the same ones."
    )


class FeatureSettings(_Group):
    """How records become vectors."""

    text_encoder: str = Field(
        "minilm",
        description="`minilm` (packaged all-MiniLM-L6-v2), `none`, or a folder or hub name of a transformers, sentence-transformers, CLIP or SigLIP model.",
    )
    image_encoder: str = Field(
        "none",
        description="`none`, `descriptor` (colour layout, no weights), or a folder or hub name of a vision, CLIP or SigLIP model; a folder with model.onnx works too.",
    )
    image_sides: Literal["both", "mentions", "entities"] = Field(
        "both", description="Whose pictures are read: those of mentions and entities, or of one side only (for ablations)."
    )
    revision: str | None = Field(None, description="Revision (branch, tag or commit) of hub models; folders ignore it.")
    pooling: Literal["auto", "mean", "cls"] = Field(
        "auto", description="How a text model's token vectors become one; `auto` follows the model's own folder, else mean."
    )
    max_tokens: Annotated[int, Field(ge=4, le=4096)] = Field(
        96, description="Texts are cut after so many tokens (the model's own limit holds too)."
    )
    name_weight: NotNegative = Field(1.0, description="Weight of the similarity of names (mention surface against entity name).")
    context_weight: NotNegative = Field(1.0, description="Weight of the similarity of surface-with-sentence and name-with-description.")
    lexical_weight: NotNegative = Field(0.5, description="Weight of the similarity of hashed character n-grams of the names.")
    years_weight: NotNegative = Field(
        0.25,
        description="Weight of how well the years of a sentence fall between the first and the last year of a description; no effect where there are none.",
    )
    image_weight: NotNegative = Field(
        1.0, description="Weight of the similarity of pictures, against that of all text channels together (1)."
    )
    parts_weight: NotNegative = Field(
        0.0,
        description="Weight of five parts of each picture (corners and centre), seen by the image encoder one by one, against that of the whole picture (1); costs six encodings per picture instead of one, 0 leaves them out.",
    )
    layout_weight: NotNegative = Field(
        0.0,
        description="Weight of the colour layout descriptor beside the image encoder, against that of the whole picture (1); 0 leaves it out.",
    )
    lexical_dim: Annotated[int, Field(ge=16, le=1 << 20)] = Field(4096, description="Buckets that character n-grams are hashed into.")
    lexical_rank: Count = Field(384, description="Dimensions that the hashed n-grams are reduced to, by a decomposition fitted on the KB.")
    batch_size: Count = Field(64, description="Rows encoded at once.")
    train_encoder: str = Field(
        "none",
        description="What of the text encoder learns with the discriminator: `none`, `last-N` (its last N layers, as in `last-2`), `lora` (low-rank adapters), or `full`.",
    )
    encoder_learning_rate: Positive | None = Field(
        None, description="Step length of the text encoder at its peak; by default 1e-4 for `last-N`, 2e-4 for `lora`, 5e-5 for `full`."
    )
    lora_rank: Count = Field(8, description="Rank of the adapters of `lora`.")
    lora_alpha: Positive = Field(16.0, description="Scale of the adapters of `lora`: their product is multiplied by alpha / rank.")
    cache_dir: Path | None = Field(None, description="Folder of cached features; by default `$PGMEL_CACHE`, else the user's cache folder.")

    @field_validator("train_encoder")
    @classmethod
    def _check_mode(cls, mode: str) -> str:
        if not re.fullmatch(r"none|lora|full|last-[1-9]\d*", mode):
            raise ValueError(f"must be none, lora, full, or last-N with a number N (last-2), got {mode!r}")
        return mode

    @model_validator(mode="after")
    def _check_training(self) -> Self:
        if self.train_encoder != "none":
            if self.text_encoder == "none":
                raise ValueError(f"train_encoder = {self.train_encoder} needs a text encoder, but text_encoder is none")
            if not (self.name_weight or self.context_weight):
                raise ValueError(
                    f"train_encoder = {self.train_encoder} needs name_weight or context_weight above 0: nothing reads the encoder"
                )
        return self


class ModelSettings(_Group):
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


class GeneratorSettings(_Group):
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


_POLICIES: Final = ("kbgan", "irgan", "generator")


class NegativeSettings(_Group):
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


class TrainingSettings(_Group):
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


class EvaluationSettings(_Group):
    """How results are measured."""

    bootstrap: Annotated[int, Field(ge=100)] = Field(1000, description="Resamples behind each confidence interval.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="Level of the intervals.")
    protocol: Literal["kb", "candidates"] = Field("kb", description="Rank against the whole KB, or against each mention's candidate list.")


class IndexSettings(_Group):
    """Search over entity vectors."""

    kind: Literal["auto", "exact", "ivfpq"] = Field("auto", description="`auto` is exact up to `exact_limit` entities, compressed beyond.")
    exact_limit: Count = Field(200_000, description="Most entities for which `auto` stays exact.")
    nprobe: Count = Field(16, description="Lists looked into by the compressed index.")
    refine: Count = Field(8, description="Candidates re-scored exactly for each one asked of the compressed index.")


class LinkingSettings(_Group):
    """How links are decided."""

    top_k: Count = Field(
        10,
        description="Candidates that probabilities and the NIL decision are computed over; `pgmel link --top-k` says how many are shown.",
    )
    candidates: Literal["dense", "lexical", "fused"] = Field(
        "fused", description="Where candidates come from: search by vectors (`dense`), by name (`lexical`), or both (`fused`)."
    )
    num_candidates: Count = Field(100, description="Candidates that are looked for: so deep goes each search.")
    nil: bool = Field(True, description="Answer NIL where no candidate is likely enough.")
    rerank: bool = Field(
        True,
        description="Fit a second stage that ranks the nearest candidates again by what name, sentence, description and years say; kept where it helps on held-out training mentions. `false` leaves it out, and its auxiliary training.",
    )
    nil_precision: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8,
        description="NIL is answered where, on dev, at least this share of such answers is right; where no threshold reaches it, never.",
    )
    link_precision: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="If set: links less sure than needed for this share of right links on dev are answered NIL too."
    )
    nil_share: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="Share of mentions without an entity in the KB that is assumed where dev has no NIL mention."
    )


class Settings(_Group):
    """All settings of a run."""

    seed: Annotated[int, Field(ge=0, lt=1 << 31)] = Field(0, description="Seed of everything that is drawn at random.")
    data: DataSettings = DataSettings()
    features: FeatureSettings = FeatureSettings()
    model: ModelSettings = ModelSettings()
    negatives: NegativeSettings = NegativeSettings()
    generator: GeneratorSettings = GeneratorSettings()
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    index: IndexSettings = IndexSettings()
    linking: LinkingSettings = LinkingSettings()

    @property
    def pretrain_sampler(self) -> str:
        """The rule that picks the negatives of pretraining."""
        return self.training.pretrain_sampler or ("softmax" if self.negatives.sampler in _POLICIES else self.negatives.sampler)


def read_settings(file: Path | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Read a TOML file, apply overrides, and check everything at once.

    Args:
        file: TOML file with one table per group; None starts from the defaults.
        overrides: ``group.key=value`` texts; the value is read as TOML, and as plain text where it is none.

    Raises:
        SettingError: If the file cannot be read, or any key or value is wrong; lists every fault with the nearest valid key.
    """
    values = {} if file is None else read_toml(file, "settings file")
    faults = apply_overrides(values, overrides)
    return settings_from(values, origin=str(file) if file else "the command line", faults=faults)


def settings_from(values: Mapping[str, Any], origin: str = "the settings", faults: Sequence[str] = ()) -> Settings:
    """Check nested values and return settings.

    Args:
        values: One mapping per group.
        origin: Where they came from, for the message.
        faults: Faults found before; they are reported together with those found here.

    Raises:
        SettingError: If anything is wrong; lists every fault.
    """
    found = list(faults)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        found += [_describe(fault) for fault in error.errors()]
    raise_faults(found, origin)
    return settings


def _describe(fault: Any) -> str:
    if fault["type"] != "extra_forbidden":
        return describe_fault(fault)
    name = ".".join(str(part) for part in fault["loc"])
    known = list(_names(Settings))
    guess = nearest(name, known) or next((key for key in known if key.split(".")[-1] == str(fault["loc"][-1])), None)
    return f"{name} is not a setting" + (f"; did you mean {guess}?" if guess else "; `pgmel settings` lists all")


def _names(group: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for key, field in group.model_fields.items():
        yield prefix + key
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _names(field.annotation, f"{prefix}{key}.")
