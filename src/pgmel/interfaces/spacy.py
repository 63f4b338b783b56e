"""A spaCy component: it links the entities that any recogniser before it in the pipeline has found.

```python
nlp.add_pipe("pgmel", config={"bundle": "runs/mine/bundle"})
```

Each linked ``ent`` in ``doc.ents`` gets ``ent.kb_id_``, the entity's id or the label for NIL, and ``ent._.pgmel``, the whole ``Link``.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, final

import msgspec

from pgmel.errors import BundleError, MissingExtraError, SettingError
from pgmel.files import atomic_folder, encode_json, read_json, write_bytes
from pgmel.records import NIL, NIL_TEXT, Candidate, Link, Mention

try:
    from spacy.language import Language
    from spacy.tokens import Doc, Span
except ImportError:
    raise MissingExtraError("spacy", "spacy", "the spaCy component") from None

__all__ = ["SpacyLinker", "make_linker"]

_LINK: Final = "pgmel"
_STORED: Final = "pgmel_values"
_FILE: Final = "pgmel.json"
_COPY: Final = "bundle"


@final
class SpacyLinker:
    """Links the entities of documents.

    The bundle is opened at the first document, once in each process.

    Args:
        bundle: Folder that `pgmel train` or `pgmel index` wrote.
        device: Where encoders and model run: auto, cpu, cuda.
        batch_size: Mentions encoded at once.
        top_k: Candidates that a link has.
        min_probability: Link wherever the best candidate has this probability, instead of the bundle's thresholds.
        nil_label: The ``kb_id_`` of an entity that is none of the knowledge base's.
        labels: Kinds of entities to link, as the recogniser calls them; None links all.
        context: The text that goes with a mention: its sentence where the pipeline sets sentences, or the whole document.
        image: Name of the extension that holds a picture's path: ``ent._.image`` if there is such an extension, else ``doc._.image``.
        copy_bundle: Whether ``nlp.to_disk`` copies the bundle into the pipeline's folder.
        verify: Whether a pipeline that was saved refuses another bundle than it was saved with.
        text_encoder: Where the text encoder is now, if it moved since the bundle was written.
        image_encoder: Where the image encoder is now, if it moved since the bundle was written.
        name: What the component is called in its pipeline, for messages.

    Raises:
        SettingError: If an option breaks a rule.
    """

    def __init__(
        self,
        bundle: str | Path,
        device: str = "auto",
        batch_size: int = 64,
        top_k: int = 10,
        min_probability: float | None = None,
        nil_label: str = NIL_TEXT,
        labels: list[str] | None = None,
        context: Literal["sentence", "document"] = "sentence",
        image: str = "image",
        copy_bundle: bool = False,
        verify: bool = True,
        text_encoder: str | None = None,
        image_encoder: str | None = None,
        name: str = "pgmel",
    ) -> None:
        if batch_size < 1 or top_k < 1:
            raise SettingError(f"batch_size and top_k must be at least 1, got {batch_size} and {top_k}")
        self.folder = Path(bundle).absolute()
        self.device = device
        self.batch_size = batch_size
        self.top_k = top_k
        self.min_probability = min_probability
        self.nil_label = nil_label
        self.linked_labels = None if labels is None else frozenset(labels)
        self.context = context
        self.image = image
        self.copy_bundle = copy_bundle
        self.verify = verify
        self.text_encoder = text_encoder
        self.image_encoder = image_encoder
        self.name = name
        self._given = str(bundle)
        self._home = self._opened_in = os.getpid()
        self._linker: Any = None
        self._inherited: Any = None
        for kind, name, options in _EXTENSIONS:
            kind.set_extension(name, force=True, **options)
        if not Doc.has_extension(image):
            Doc.set_extension(image, default=None)

    def __call__(self, doc: Doc) -> Doc:
        """Link the entities of a document."""
        self._link([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 128) -> Iterator[Doc]:
        """Link the entities of documents, so many documents at once."""
        documents = iter(stream)
        while docs := list(islice(documents, batch_size)):
            self._link(docs)
            yield from docs

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:  # noqa: ARG002 - spaCy passes it
        """Return where the bundle is, and which it is."""
        return encode_json(self._about(copied=False))

    def from_bytes(self, content: bytes, *, exclude: Iterable[str] = ()) -> "SpacyLinker":  # noqa: ARG002 - spaCy passes it
        """Find the bundle again.

        Raises:
            BundleError: If it is gone, or another one now.
        """
        self._restore(msgspec.json.decode(content), None)
        return self

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:  # noqa: ARG002 - spaCy passes it
        """Write where the bundle is, and which it is; with ``copy_bundle`` the bundle too."""
        import shutil

        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        about = self._about(self.copy_bundle)
        if self.copy_bundle and self.folder != (folder / _COPY).absolute():
            with atomic_folder(folder / _COPY) as part:
                shutil.copytree(self.folder, part, dirs_exist_ok=True)
        write_bytes(folder / _FILE, encode_json(about))

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> "SpacyLinker":  # noqa: ARG002 - spaCy passes it
        """Find the bundle again.

        Raises:
            BundleError: If it is gone, or another one now.
        """
        self._restore(read_json(Path(path) / _FILE), Path(path))
        return self

    def __getstate__(self) -> dict[str, Any]:
        # What is open stays here; who gets a copy opens the bundle itself.
        return {**self.__dict__, "_linker": None, "_inherited": None}

    @property
    def linker(self) -> Any:
        """The linker, opened where it is not open in this process."""
        if self._linker is None or self._opened_in != os.getpid():
            from pgmel.linking import Linker
            from pgmel.workflows.train import resolve_device

            if os.getpid() != self._home:
                _use_one_thread()
                self._inherited = self._linker  # kept, so that its files are not closed here: the parent uses them
            device = str(resolve_device(self.device))
            linker = Linker.load(self.folder, device, text_encoder=self.text_encoder, image_encoder=self.image_encoder)
            if self.min_probability is not None:
                linker.require_probability(self.min_probability)
            self._linker, self._opened_in = linker, os.getpid()
        return self._linker

    def _link(self, docs: list[Doc]) -> None:
        wanted = self.linked_labels
        spans = [ent for doc in docs for ent in doc.ents if wanted is None or ent.label_ in wanted]
        if not spans:
            return
        mentions = map(self._mention, spans)
        for span, link in zip(spans, self.linker.stream(mentions, self.top_k, self.batch_size), strict=True):
            kb_id = self.nil_label if link.is_nil else link.entity_id
            for token in span:
                token.ent_kb_id_ = kb_id
            span._.set(_STORED, _values_of(link))

    def _mention(self, span: Span) -> Mention:
        # The id is that of the place, so that a link does not depend on what other documents are linked at the same time.
        mention_id, start, text = f"{span.start_char}-{span.end_char}", 0, span.doc.text
        if self.context == "sentence" and span.doc.has_annotation("SENT_START"):
            start = span.sent.start_char
            text = text[start : max(span.sent.end_char, span.end_char)]
        return Mention(mention_id, span.text, text, span.start_char - start, span.end_char - start, self._picture(span))

    def _picture(self, span: Span) -> Path | None:
        found = span._.get(self.image) if Span.has_extension(self.image) else None
        found = found if found is not None else span.doc._.get(self.image)
        if found is not None and not isinstance(found, str | Path):
            raise SettingError(f"the extension {self.image!r} must hold the path of a picture, got {type(found).__name__}")
        return Path(found) if found else None

    def _about(self, copied: bool) -> dict[str, Any]:
        from pgmel.linking import bundle_identity

        return {"bundle": str(self.folder), "given": self._given, "identity": bundle_identity(self.folder), "copied": copied}

    def _restore(self, about: dict[str, Any], folder: Path | None) -> None:
        from pgmel.linking import bundle_identity

        if self._given == about["given"]:  # nobody named another bundle when the pipeline was opened
            copy = [folder / _COPY] if about["copied"] and folder else []
            self.folder = next((place for place in (*copy, Path(about["bundle"])) if place.is_dir()), self.folder).absolute()
        named = f'config={{"components": {{"{self.name}": {{"bundle": "..."}}}}}}'
        if not self.folder.is_dir():
            raise BundleError(f"the bundle {self.folder} of the pipeline does not exist; say where it is: spacy.load(..., {named})")
        if self.verify and bundle_identity(self.folder) != about["identity"]:
            change = named.replace('"bundle": "..."', '"verify": False')
            raise BundleError(
                f"{self.folder} is another bundle than the pipeline was saved with, or it was changed since; if that is meant, "
                f"open it with spacy.load(..., {change}) and save it again"
            )
        self._linker = None


@Language.factory(
    "pgmel",
    assigns=["token.ent_kb_id", f"span._.{_LINK}"],
    requires=["doc.ents"],
    default_config={
        **{"device": "auto", "batch_size": 64, "top_k": 10, "min_probability": None, "nil_label": NIL_TEXT, "labels": None},
        **{"context": "sentence", "image": "image", "copy_bundle": False, "verify": True, "text_encoder": None, "image_encoder": None},
    },
)
def make_linker(
    nlp: Language,  # noqa: ARG001 - spaCy passes it
    name: str,
    bundle: str,
    device: str,
    batch_size: int,
    top_k: int,
    min_probability: float | None,
    nil_label: str,
    labels: list[str] | None,
    context: Literal["sentence", "document"],
    image: str,
    copy_bundle: bool,
    verify: bool,
    text_encoder: str | None,
    image_encoder: str | None,
) -> SpacyLinker:
    """Make the component ``pgmel``; the arguments are those of ``SpacyLinker``."""
    return SpacyLinker(
        *(bundle, device, batch_size, top_k, min_probability, nil_label, labels, context, image),
        *(copy_bundle, verify, text_encoder, image_encoder, name),
    )


def _values_of(link: Link) -> dict[str, Any]:
    """Return a link as plain values, which spaCy can write with a document and send to another process."""
    return {
        "mention_id": link.mention_id,
        "entity_id": None if link.is_nil else link.entity_id,
        "probability": link.probability,
        "candidates": msgspec.to_builtins(link.candidates),
        "warnings": list(link.warnings),
        "unsure": link.unsure,
    }


def _link_of(span: Span) -> Link | None:
    values = span._.get(_STORED)
    if values is None:
        return None
    entity_id = NIL if values["entity_id"] is None else values["entity_id"]
    candidates = msgspec.convert(values["candidates"], tuple[Candidate, ...])
    unsure = values.get("unsure", False)  # documents of older versions do not say
    return Link(values["mention_id"], entity_id, values["probability"], candidates, tuple(values["warnings"]), unsure)


_EXTENSIONS: Final[tuple[tuple[Any, str, dict[str, Any]], ...]] = (
    (Span, _STORED, {"default": None}),
    (Span, _LINK, {"getter": _link_of}),
)


def _use_one_thread() -> None:
    """Several processes share the cores; and one that was forked from a process with threads would wait for them for ever."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)
