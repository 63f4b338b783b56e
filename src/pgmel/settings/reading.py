"""All settings together; read from TOML, overridden from the command line, checked in one pass."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from pgmel.registry import nearest
from pgmel.settings.game import POLICIES, GeneratorSettings, ModelSettings, NegativeSettings, TrainingSettings
from pgmel.settings.group import Group
from pgmel.settings.inputs import DataSettings, FeatureSettings
from pgmel.settings.results import EvaluationSettings, IndexSettings, LinkingSettings
from pgmel.toml_files import apply_overrides, describe_fault, raise_faults, read_toml

__all__ = ["Settings", "read_settings", "settings_from"]


class Settings(Group):
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
        return self.training.pretrain_sampler or ("softmax" if self.negatives.sampler in POLICIES else self.negatives.sampler)


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
