"""From a matrix to its cells: every run's settings, made comparable, all of them checked before anything runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, final

from pgmel.errors import SettingError
from pgmel.registry import nearest
from pgmel.settings import Settings, read_settings
from pgmel.toml_files import apply_overrides
from pgmel.workflows.compare.matrix import Budget, DataEntry, Matrix

__all__ = ["NO_PATIENCE", "Cell", "Plan", "make_plan"]

NO_PATIENCE: Final = 1_000_000
"""Epochs without a better dev MRR that no run ever sees: patience would give systems different numbers of updates."""

_SET: Final[Mapping[str, object]] = {"training.patience": NO_PATIENCE, "training.tensorboard": False}
_FIXED: Final = tuple(f"{key}={str(value).lower()}" for key, value in _SET.items())

_RESERVED: Final = {
    "seed": "list the seeds under `seeds`, or pass --seeds",
    "data.path": "name the folder as `path` of its [data.NAME]",
    "training.patience": "leave it out: patience is off, so that all systems take as many updates",
    "training.tensorboard": "leave it out: every run keeps its metrics.csv",
}
"""Settings that a comparison sets itself, and what to do instead of overriding them."""

_OWN_BUDGET: Final = ("training.epochs", "training.batch_size")
"""Settings by which a system asks for another number of updates on purpose."""


@final
@dataclass(frozen=True)
class Cell:
    """One run of the matrix.

    Attributes:
        data: Key of the data set.
        system: Key of the system.
        seed: Its seed.
        budget: Under which budget.
        settings: All its settings; under ``wall`` the epochs are set once the time per epoch is known.
        own_budget: What of its overrides changes the number of updates on purpose, in words; empty if nothing does.
    """

    data: str
    system: str
    seed: int
    budget: Budget
    settings: Settings
    own_budget: str = ""

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.system}/{self.data} seed {self.seed}" + (" (wall)" if self.budget == "wall" else "")

    def folder(self, out: Path) -> Path:
        """Return the folder of the run within the folder of the comparison."""
        return out / "runs" / self.data / self.system / (f"seed-{self.seed}" + ("-wall" if self.budget == "wall" else ""))


@final
@dataclass(frozen=True)
class Plan:
    """All runs of a matrix.

    Attributes:
        matrix: What was asked for.
        folders: Data set to its folder; None for the built-in demo, which is written into the comparison's own folder.
        cells: The runs under the budget ``updates``, data set by data set; those of ``wall`` are derived from them.
        chosen: Pairs of system and data set that are run; others are only shown if they were run before.
    """

    matrix: Matrix
    folders: Mapping[str, Path | None]
    cells: tuple[Cell, ...]
    chosen: frozenset[tuple[str, str]]

    def to_run(self) -> list[Cell]:
        """Return the cells that ``--only`` left."""
        return [cell for cell in self.cells if (cell.system, cell.data) in self.chosen]


def make_plan(
    matrix: Matrix,
    file: Path,
    data_root: Path | None = None,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    overrides: Sequence[str] = (),
    need_data: bool = True,
) -> Plan:
    """Work out and check the settings of every cell.

    What makes runs comparable is set here: patience is switched off, and the adversarial epochs are chosen so that each system's
    epochs of the discriminator add up to the reference's (a system without pretraining gets those epochs in the game), unless the
    system sets ``training.epochs`` or ``training.batch_size`` itself; then it is flagged.

    Args:
        matrix: What to compare.
        file: Where it was read, for relative paths and messages.
        data_root: Folder that the data sets' paths are relative to.
        only: Patterns ``SYSTEM/DATA`` (``*`` stands for any) of the cells to run; all by default.
        seeds: Seeds instead of the matrix's own.
        overrides: Settings that go before all others.
        need_data: Whether the data sets' folders must be there.

    Raises:
        SettingError: If any cell's settings are wrong, or a pattern, path or config leads nowhere; lists every fault.
    """
    faults: list[str] = list(_reserved(matrix, overrides))
    folders = {name: _folder(name, entry, data_root, faults) for name, entry in matrix.data.items()} if need_data else {}
    chosen = _choose(matrix, only, faults)
    cells: list[Cell] = []
    for data, entry in matrix.data.items():
        shared = _Shared(matrix, data, entry, file, data_root, tuple(overrides), need_data)
        base = _read(shared, (), f"data.{data}", faults)
        if base is None:
            continue  # every system would repeat its faults
        reference = _read(shared, shared.of_system(matrix.reference), f"systems.{matrix.reference} on {data}", faults)
        for system in _systems_on(matrix, data):
            found = _read(shared, shared.of_system(system), f"systems.{system} on {data}", faults)
            if found is None or reference is None:
                continue
            settings, own_budget = _equalise(found, reference, shared.of_system(system))
            numbers = seeds if seeds is not None else matrix.seeds
            cells += [Cell(data, system, seed, "updates", settings.model_copy(update={"seed": seed}), own_budget) for seed in numbers]
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in _merge(dict.fromkeys(faults)))
        raise SettingError(f"the matrix {file} cannot be run; nothing was started:\n{listed}")
    return Plan(matrix, folders, tuple(cells), chosen)


def _reserved(matrix: Matrix, last: Sequence[str]) -> Iterator[str]:
    """Yield a fault for every override of what the comparison sets itself: it would be dropped without a word."""
    places = {"overrides": matrix.overrides, "--set": last} | {
        f"data.{key}.overrides": entry.overrides for key, entry in matrix.data.items()
    }
    for key, system in matrix.systems.items():
        places |= {f"systems.{key}.overrides": system.overrides}
        places |= {f"systems.{key}.overrides_on.{data}": texts for data, texts in system.overrides_on.items()}
    for place, texts in places.items():
        for key, remedy in _RESERVED.items():
            values: dict[str, Any] = {}
            apply_overrides(values, texts)  # what is wrong with them otherwise is told by reading the settings
            group, _, name = key.rpartition(".")
            table = values.get(group) if group else values
            if isinstance(table, dict) and name in table and table[name] != _SET.get(key):
                yield f"{place}: {key} cannot be overridden, a comparison sets it itself; {remedy}"


@final
@dataclass(frozen=True)
class _Shared:
    """What all systems have in common on one data set."""

    matrix: Matrix
    data: str
    entry: DataEntry
    file: Path
    data_root: Path | None
    last: tuple[str, ...]
    need_data: bool

    def of_system(self, name: str) -> tuple[str, ...]:
        system = self.matrix.systems[name]
        return (*system.overrides, *system.overrides_on.get(self.data, ()))

    @property
    def config(self) -> Path | None:
        return None if self.entry.config is None else self.file.parent / self.entry.config

    def fill(self, overrides: Sequence[str]) -> list[str]:
        return [text if self.data_root is None else text.replace("{data_root}", str(self.data_root)) for text in overrides]


def _read(shared: _Shared, of_system: tuple[str, ...], place: str, faults: list[str]) -> Settings | None:
    own = [*shared.matrix.overrides, *shared.entry.overrides, *of_system, *shared.last]
    if shared.need_data and shared.data_root is None and any("{data_root}" in text for text in own):
        faults.append(f"{place}: its overrides name {{data_root}}; pass --data-root")
        return None
    try:
        settings = read_settings(shared.config, [*shared.fill(own), *_FIXED])
    except SettingError as error:
        first, *lines = str(error).splitlines()
        faults += [f"{place}: {line.removeprefix('  - ')}" for line in lines or [first]]
        return None
    if settings.training.max_steps is not None:
        faults.append(
            f"{place}: training.max_steps counts the generator's steps too, so updates would not be equal; set training.epochs instead"
        )
        return None
    if settings.features.train_encoder != "none":
        faults.append(f"{place}: features.train_encoder must be none: comparisons share encoded features, so encoders stay frozen")
        return None
    return settings


def _equalise(settings: Settings, reference: Settings, of_system: Sequence[str]) -> tuple[Settings, str]:
    """Give a system the reference's number of discriminator epochs, or say why not."""
    own = [key for key in _OWN_BUDGET if any(text.partition("=")[0].strip() == key for text in of_system)]
    training, target = settings.training, reference.training.pretrain_epochs + reference.training.epochs
    if not own:
        epochs = max(0, target - training.pretrain_epochs)
        settings = settings.model_copy(update={"training": training.model_copy(update={"epochs": epochs})})
    total = settings.training.pretrain_epochs + settings.training.epochs
    parts = [f"{total} instead of {target} epochs"] * (total != target)
    compared = (
        ("batches of {}", training.batch_size, reference.training.batch_size),
        ("a dev evaluation every {} epochs", training.evaluate_every, reference.training.evaluate_every),
        ("the training split {}", settings.data.train_split, reference.data.train_split),
        ("at most {} training mentions", settings.data.max_train_mentions, reference.data.max_train_mentions),
    )
    parts += [f"{what.format(_or_all(ours))} instead of {_or_all(theirs)}" for what, ours, theirs in compared if ours != theirs]
    return settings, "another budget on purpose: " + ", ".join(parts) if parts else ""


def _or_all(value: object) -> str:
    return "all" if value is None else str(value)


def _systems_on(matrix: Matrix, data: str) -> list[str]:
    return [name for name, system in matrix.systems.items() if system.on is None or data in system.on]


def _folder(name: str, entry: DataEntry, data_root: Path | None, faults: list[str]) -> Path | None:
    if entry.path is None:
        return None
    path = entry.path.expanduser()
    if not path.is_absolute():
        if data_root is None:
            faults.append(f"data.{name}: its path {path} is relative; pass --data-root FOLDER")
            return None
        path = data_root / path
    if not path.exists():
        faults.append(f"data.{name}: {path} does not exist")
    return path


def _choose(matrix: Matrix, only: Sequence[str], faults: list[str]) -> frozenset[tuple[str, str]]:
    every = [(system, data) for data in matrix.data for system in _systems_on(matrix, data)]
    chosen = set() if only else set(every)
    for pattern in only:
        matching = {pair for pair in every if fnmatchcase("/".join(pair), pattern)}
        if not matching:
            guess = nearest(pattern, ["/".join(pair) for pair in every])
            faults.append(f"--only {pattern}: no such SYSTEM/DATA" + (f"; did you mean {guess}?" if guess else ""))
        chosen |= matching
    return frozenset(chosen)


def _merge(faults: Mapping[str, None]) -> list[str]:
    """Say a system's fault once where it has the same one on several data sets."""
    places: dict[str, list[str]] = {}
    for fault in faults:
        place, _, text = fault.partition(": ")
        places.setdefault(text, []).append(place)
    merged = []
    for text, found in places.items():
        owners = dict.fromkeys(place.partition(" on ")[0] for place in found)
        merged.append(f"{found[0] if len(found) == 1 else ', '.join(owners)}: {text}")
    return merged
