"""Read a file of entities with their pictures: the part that building and changing a KB share."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, final
from urllib.parse import quote

from pgmel.errors import DataError
from pgmel.kb.picture_sources import FetchFault, FetchLimits, PictureFinder, extract_pictures, fetch_picture, is_archive, is_url
from pgmel.kb.sources import (
    DEFAULT_SEPARATOR,
    WIKIDATA_COLUMNS,
    Ask,
    Columns,
    Draft,
    Source,
    SourceOptions,
    WikidataDump,
    map_columns,
    open_source,
    read_drafts,
)
from pgmel.workflows.kb.bad_rows import BadRows

__all__ = ["KbOptions", "Opened", "PictureDesk", "Pictures", "about_pictures", "drafts_of", "open_entities"]

_ROWS_AT_ONCE: Final = 256
_SHOWN: Final = 3
_FETCHED_AT_ONCE: Final = 8
_COMMONS: Final = "https://commons.wikimedia.org/wiki/Special:FilePath/{name}?width=640"


@final
@dataclass(frozen=True)
class KbOptions:
    """How a file of entities is read.

    Attributes:
        source: Format, and what belongs to it.
        columns: Part of an entity to the column that holds it; what is not named is guessed.
        attributes: Columns that become attributes; ``*`` for all others.
        separator: Between several aliases or pictures in one cell.
        pictures: Folders and archives in which pictures are looked up.
        fetch: Limits of fetching pictures from the web; None fetches none.
        on_error: At a bad row: stop, or skip it.
        ask: Asks a person which column is meant; None where nobody is there.
    """

    source: SourceOptions = field(default_factory=SourceOptions)
    columns: Mapping[str, str | None] = field(default_factory=dict)
    attributes: Sequence[str] = ()
    separator: str = DEFAULT_SEPARATOR
    pictures: Sequence[Path] = ()
    fetch: FetchLimits | None = None
    on_error: Literal["stop", "skip"] = "stop"
    ask: Ask | None = None


class Opened(NamedTuple):
    """A source, and what its columns hold."""

    source: Source
    columns: Columns

    def unused(self) -> list[str]:
        """Return the columns that nothing is taken from."""
        used = self.columns.used()
        return [field for field in self.source.fields if field not in used]


@dataclass
class Pictures:
    """Counts: pictures named, found, missing, fetched from the web, not fetched because nobody asked, and failed fetches."""

    named: int = 0
    found: int = 0
    missing: int = 0
    fetched: int = 0
    not_fetched: int = 0
    failed: int = 0


def open_entities(path: Path, options: KbOptions, required: Sequence[str] = ("id", "name")) -> Opened:
    """Open a source and find its columns.

    Raises:
        SettingError: If an option is wrong, or it is not clear which column is meant.
        DataError: If the source is missing or of another format.
        MissingExtraError: If its format needs a package that is not installed.
    """
    source = open_source(path, options.source, options.ask)
    if isinstance(source, WikidataDump):
        return Opened(source, WIKIDATA_COLUMNS)
    return Opened(source, map_columns(path, source.fields, options.columns, options.attributes, required, options.ask))


@final
class PictureDesk:
    """Finds the pictures of drafts.

    Args:
        opened: The source.
        options: Where to look, and whether to fetch.
        folder: Where pictures out of archives are written.
        fetched: Where pictures from the web are written.
        bad_rows: Is told of pictures that could not be fetched.
        show_progress: Whether to show bars.

    Attributes:
        counts: What became of the pictures so far.
        first_missing: The first few that were not found: whose they are, and where they were expected.
    """

    def __init__(self, opened: Opened, options: KbOptions, folder: Path, fetched: Path, bad_rows: BadRows, show_progress: bool) -> None:
        self.counts = Pictures()
        self.first_missing: list[tuple[str, Path]] = []
        self._opened = opened
        self._fetch = options.fetch
        self._fetched = fetched
        self._bad_rows = bad_rows
        folders: list[Path] = []
        for place in options.pictures:
            if place.is_dir():
                folders.append(place)
            elif is_archive(place):
                extract_pictures(place, folder / place.name, show_progress=show_progress)
                folders.append(folder / place.name)
            else:
                what = "is neither a folder nor a zip or tar archive" if place.exists() else "does not exist"
                raise DataError(f"{place}, named with --pictures, {what}")
        self._by_id = bool(folders) and opened.columns.images is None
        home = opened.source.path.absolute().parent
        self._finder = PictureFinder(folders, home)

    def resolve(self, drafts: Iterable[Draft]) -> Iterator[tuple[Draft, tuple[Path, ...]]]:
        """Yield drafts with the paths of their pictures, in their order."""
        iterator = iter(drafts)
        with ThreadPoolExecutor(_FETCHED_AT_ONCE, thread_name_prefix="pgmel-fetch") as pool:
            while chunk := list(islice(iterator, _ROWS_AT_ONCE)):
                urls = {url: None for draft in chunk for name in draft.pictures or () if (url := self._url(name)) is not None}
                fetched = dict(zip(urls, pool.map(self._try, urls), strict=True)) if self._fetch else {}
                for draft in chunk:
                    if self._by_id:
                        found = tuple(self._finder.of_entity(draft.id))
                        self.counts.named += len(found)
                        self.counts.found += len(found)
                        yield draft._replace(pictures=tuple(map(str, found)) if found else draft.pictures), found
                    else:
                        yield draft, tuple(path for name in draft.pictures or () if (path := self._path(draft, name, fetched)) is not None)

    def _url(self, name: str) -> str | None:
        if is_url(name):
            return name
        if isinstance(self._opened.source, WikidataDump) and not self._finder.find(name)[1]:
            return _COMMONS.format(name=quote(name.replace(" ", "_")))
        return None

    def _path(self, draft: Draft, name: str, fetched: Mapping[str, Path | FetchFault]) -> Path | None:
        self.counts.named += 1
        url = self._url(name)
        got = fetched.get(url) if url is not None else None
        if isinstance(got, Path):
            self.counts.fetched += 1
            return got
        if isinstance(got, FetchFault):
            self.counts.failed += 1
            self._bad_rows.note(DataError(f"the picture {url} cannot be fetched: {got}", self._opened.source.path, draft.place))
            return None
        if is_url(name):
            self.counts.not_fetched += 1
            return None
        path, exists = self._finder.find(name)
        self.counts.found += exists
        self.counts.missing += not exists
        if not exists and len(self.first_missing) < _SHOWN:
            self.first_missing.append((f"{draft.place}, {draft.id}", path))
        return path

    def _try(self, url: str) -> Path | FetchFault:
        try:
            return fetch_picture(url, self._fetched, self._fetch or FetchLimits())
        except FetchFault as fault:
            return fault


def drafts_of(opened: Opened, options: KbOptions, bad_rows: BadRows) -> Iterator[Draft]:
    """Yield the usable rows."""
    return read_drafts(opened.source, opened.columns, bad_rows, options.separator)


def about_pictures(counts: Pictures) -> dict[str, Any]:
    """Return the counts for JSON."""
    return dict(vars(counts))
