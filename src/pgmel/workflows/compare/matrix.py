"""The file that says what is compared: systems x data sets x seeds, under which budgets."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pgmel.registry import nearest
from pgmel.toml_files import describe_fault, raise_faults, read_toml

__all__ = ["Budget", "DataEntry", "Matrix", "PublishedRow", "SystemEntry", "read_matrix"]

Budget = Literal["updates", "wall"]

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
"""Names become folders, and SYSTEM/DATA on the command line."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DataEntry(_Entry):
    """A data set: where it is and the settings that all systems share on it.

    Attributes:
        label: Heading of its columns; by default its name.
        config: TOML file of settings, relative to the matrix file; None starts from the defaults.
        path: Its folder, relative to ``--data-root``.
        builtin: ``demo`` writes the built-in demo instead of reading a folder.
        overrides: Changed settings, as ``group.key=value``; ``{data_root}`` stands for the folder of ``--data-root``.
    """

    label: str | None = None
    config: Path | None = None
    path: Path | None = None
    builtin: Literal["demo"] | None = None
    overrides: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        if (self.path is None) == (self.builtin is None):
            raise ValueError("give either path or builtin")
        return self


class SystemEntry(_Entry):
    """A system: a named set of changed settings.

    Attributes:
        label: Its name in tables; by default its key.
        group: Heading under which ablation tables show it.
        overrides: Changed settings, as ``group.key=value``.
        on: Data sets it runs on; by default all.
        overrides_on: Data set to settings that are changed there on top.
    """

    label: str | None = None
    group: str | None = None
    overrides: tuple[str, ...] = ()
    on: tuple[str, ...] | None = None
    overrides_on: Mapping[str, tuple[str, ...]] = {}


class PublishedRow(_Entry):
    """Figures that somebody published, to stand apart from ours.

    Attributes:
        system: Its name.
        data: The data set it was measured on, as the publication calls it.
        h_at_1: H@1, 0 to 1; None where it is not available.
        mrr: MRR, 0 to 1; None where it is not available.
        protocol: How it was measured.
        source: Where it was published.
        comparable: What of it may be compared with our figures, in plain words.
    """

    system: str
    data: str
    h_at_1: Share | None = None
    mrr: Share | None = None
    protocol: str
    source: str
    comparable: str


class Matrix(_Entry):
    """What is compared.

    Attributes:
        title: Heading of the tables.
        summary: A sentence or two on what is asked.
        seeds: Seeds of each system on each data set.
        reference: The system that all others are tested against.
        budgets: ``updates``: as many discriminator updates for all; ``wall``: as much training time as the reference takes.
        overrides: Changed settings of all runs.
        data: Name to data set.
        systems: Name to system.
        published: Figures from elsewhere.
    """

    title: str
    summary: str = ""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 31)], ...], Field(min_length=1)]
    reference: str
    budgets: Annotated[tuple[Budget, ...], Field(min_length=1)] = ("updates",)
    overrides: tuple[str, ...] = ()
    data: Annotated[Mapping[Name, DataEntry], Field(min_length=1)]
    systems: Annotated[Mapping[Name, SystemEntry], Field(min_length=1)]
    published: tuple[PublishedRow, ...] = ()

    def faults(self) -> Iterator[str]:
        """Yield what is wrong between the parts, one sentence each."""
        if self.reference not in self.systems:
            yield f"reference must be one of the systems, got {self.reference!r}{_guess(self.reference, self.systems)}"
        for values, name in ((self.seeds, "seeds"), (self.budgets, "budgets")):
            if len(set(values)) < len(values):
                yield f"{name} names a value twice: {list(values)}"
        if "wall" in self.budgets and "updates" not in self.budgets:
            yield 'budgets: "wall" needs "updates" too, since the time per epoch is measured in those runs'
        for key, system in self.systems.items():
            named = {"on": system.on or (), "overrides_on": system.overrides_on}
            for field, data in ((field, data) for field, names in named.items() for data in names):
                if data not in self.data:
                    yield f"systems.{key}.{field}: {data!r} is not one of the data sets{_guess(data, self.data)}"
            for data in system.overrides_on:
                if data in self.data and system.on is not None and data not in system.on:
                    yield f"systems.{key}.overrides_on: {data!r} is not in `on`, so the system never runs there; add it, or leave these out"
        reference = self.systems.get(self.reference)
        if reference is not None and reference.on is not None and set(reference.on) != set(self.data):
            yield f"systems.{self.reference}.on: the reference must run on every data set"


def read_matrix(file: Path) -> Matrix:
    """Read a matrix file and check that it fits together; the settings in it are checked by ``plan``.

    Raises:
        SettingError: If it cannot be read, or anything in it is wrong; lists every fault, with the nearest valid name.
    """
    values = read_toml(file, "matrix file")
    try:
        matrix = Matrix.model_validate(values)
        faults = list(matrix.faults())
    except ValidationError as error:
        faults = [_describe(fault) for fault in error.errors()]
    raise_faults(faults, str(file))
    return matrix


def _describe(fault: Any) -> str:
    location = [str(part) for part in fault["loc"] if part != "[key]"]
    name = ".".join(location)
    if fault["type"] == "missing":
        return f"{name} is missing"
    if fault["type"] == "extra_forbidden":
        return f"{name} is not known here{_guess(location[-1], _fields(location[:-1]))}"
    if fault["type"] == "string_pattern_mismatch":
        return f"{name}: a name consists of letters, digits and . _ - and begins with a letter or digit"
    return describe_fault(fault)


def _fields(location: list[str]) -> Mapping[str, object]:
    """Return the keys that a place of the file may have."""
    entries: dict[str, type[BaseModel]] = {"data": DataEntry, "systems": SystemEntry, "published": PublishedRow}
    return (entries[location[0]] if location and location[0] in entries else Matrix).model_fields


def _guess(name: str, known: Mapping[str, object]) -> str:
    guess = nearest(name, known)
    return f"; did you mean {guess!r}?" if guess else f" (known: {', '.join(known)})"
