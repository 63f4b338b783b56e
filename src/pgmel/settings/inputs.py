"""What is read, and how it becomes vectors."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pgmel.settings.group import Count, Group, NotNegative, Positive

__all__ = ["DataSettings", "FeatureSettings"]


class DataSettings(Group):
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


class FeatureSettings(Group):
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
