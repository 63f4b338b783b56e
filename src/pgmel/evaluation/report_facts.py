"""Turn settings, data and picture faults into the report's lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pgmel.features import FeatureReport

__all__ = ["PictureFaultView", "PictureSide", "SettingGroup", "SettingView", "format_value", "view_pictures", "view_settings"]

_LISTED_FAULTS = 20


@dataclass(frozen=True, slots=True)
class SettingView:
    """A setting as text; ``default`` is empty where its value is the default, or nobody knows the default."""

    name: str
    value: str
    default: str


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings of one group; the group without a name holds those outside any."""

    name: str
    settings: tuple[SettingView, ...]


@dataclass(frozen=True, slots=True)
class PictureFaultView:
    """A picture that cannot be used: whose it is, its file and why."""

    owner: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class PictureSide:
    """Pictures of one side: counts, and the first that cannot be used."""

    side: str
    named: int
    missing: int
    broken: int
    faults: tuple[PictureFaultView, ...]


def view_settings(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> tuple[SettingGroup, ...]:
    """Sort settings by group and mark those that differ from their defaults."""
    groups: dict[str, list[SettingView]] = {}
    for name, value in settings.items():
        inner, known = (value, defaults.get(name)) if isinstance(value, Mapping) else ({name: value}, defaults)
        rows = groups.setdefault(name if isinstance(value, Mapping) else "", [])
        for key, one in inner.items():
            differs = isinstance(known, Mapping) and key in known and known[key] != one
            rows.append(SettingView(key, format_value(one), format_value(known[key]) if differs and known else ""))
    return tuple(SettingGroup(name, tuple(rows)) for name, rows in groups.items())


def view_pictures(pictures: "Mapping[str, FeatureReport]", root: Path | None) -> tuple[PictureSide, ...]:
    """Prepare the account of pictures: sides that name any."""
    return tuple(
        PictureSide(
            side,
            report.pictures_named,
            report.pictures_missing,
            report.pictures_broken,
            tuple(PictureFaultView(one.owner, _relative(one.path, root), one.reason) for one in report.problems[:_LISTED_FAULTS]),
        )
        for side, report in pictures.items()
        if report.pictures_named
    )


def format_value(value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {format_value(part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(format_value, value))
    return "none" if value is None else str(value)


def _relative(path: Path, root: Path | None) -> str:
    return str(path.relative_to(root)) if root is not None and path.is_relative_to(root) else str(path)
