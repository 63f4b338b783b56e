"""Everything that can go wrong, as a tree of exceptions.

```
PgmelError                 base of all errors a user can cause or cure
├── SettingError           a setting is unknown, has the wrong type or breaks a rule
├── DataError              a data file or record breaks the format; carries file and place
├── EncoderError           a text or image encoder cannot be loaded or used
├── KnowledgeBaseError     the entity store is missing, damaged or refuses a change
├── IndexFileError         the search index is missing, damaged or does not fit the KB
├── BundleError            a bundle folder is incomplete or was written by another version
├── CheckpointError        a checkpoint is damaged or belongs to other settings or data
├── MissingExtraError      an optional dependency is not installed; names the extra
└── TrainingInterruptedError  training was stopped by a signal, after a checkpoint (in `pgmel.training`)
```

A message says what was wrong, where, and what to do. The CLI prints it without a traceback and leaves with ``exit_code``.
"""

from typing import Any

__all__ = [
    "BundleError",
    "CheckpointError",
    "DataError",
    "EncoderError",
    "IndexFileError",
    "KnowledgeBaseError",
    "MissingExtraError",
    "PgmelError",
    "SettingError",
]


class PgmelError(Exception):
    """Base of every error that pgmel raises on purpose.

    ``exit_code`` is what the CLI leaves with: 2 for settings, 3 for data, 4 for artefacts (KB, index, bundle, checkpoint), 5 for the
    environment (encoders, extras), 130 for an interruption, 1 for anything else.
    """

    exit_code = 1


class SettingError(PgmelError, ValueError):
    """A setting is unknown, has the wrong type or breaks a rule; one message lists every fault found."""

    exit_code = 2


class DataError(PgmelError, ValueError):
    """A data file or one of its records breaks the format.

    Args:
        rule: What was expected and what was found, in one sentence.
        file: The file at fault.
        place: Line or key within the file, as a person would look for it: ``"line 12"``, ``"key Q42"``.
        fix: What the user can do.
    """

    exit_code = 3

    def __init__(self, rule: str, file: object | None = None, place: str | None = None, fix: str | None = None) -> None:
        self.rule = rule
        self.file = None if file is None else str(file)
        self.place = place
        self.fix = fix
        where = ", ".join(part for part in (self.file, place) if part)
        message = f"{where}: {rule}" if where else rule
        super().__init__(f"{message}. {fix}" if fix else message)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rule, self.file, self.place, self.fix)  # so that it comes back whole from another process


class EncoderError(PgmelError):
    """A text or image encoder cannot be loaded or used."""

    exit_code = 5


class KnowledgeBaseError(PgmelError):
    """The entity store is missing, damaged or refuses a change."""

    exit_code = 4


class IndexFileError(PgmelError):
    """The search index is missing, damaged or does not fit the KB."""

    exit_code = 4


class BundleError(PgmelError):
    """A bundle folder is incomplete, damaged or was written by another version."""

    exit_code = 4


class CheckpointError(PgmelError):
    """A checkpoint is damaged or belongs to other settings or data."""

    exit_code = 4


class MissingExtraError(PgmelError, ImportError):
    """An optional dependency is not installed.

    Args:
        package: The package that could not be imported.
        extra: The pgmel extra that brings it.
        purpose: What it was needed for.
    """

    exit_code = 5

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        super().__init__(f"{purpose} needs the package {package!r}, which is not installed; install it with: pip install 'pgmel[{extra}]'")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.package, self.extra, self.purpose)
