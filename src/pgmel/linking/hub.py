"""To and from the Hugging Face hub, or any server that speaks as it does (``HF_ENDPOINT``)."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pgmel.errors import BundleError, DataError
from pgmel.files import read_json
from pgmel.linking.bundle import CARD, INDEX, MODEL, NAMES, RERANKER
from pgmel.linking.checking import check_bundle
from pgmel.linking.encoders import ENCODER, IMAGE_ENCODER
from pgmel.linking.pickles import PICKLE_PATTERNS, find_pickles, is_pickle_name
from pgmel.linking.publishing import PublishOptions, save_pretrained
from pgmel.version import __version__

__all__ = ["find_pretrained", "push_to_hub"]

_OURS: Final = [f"{folder}/*" for folder in (MODEL, INDEX, "kb", NAMES, RERANKER, ENCODER, IMAGE_ENCODER)]
"""What an older version of a repository may hold of ours, which goes when a new one comes."""

_CODE: Final = ("*.py", "*.so", "*.sh")


def push_to_hub(
    bundle: Path,
    repo: str,
    options: PublishOptions | None = None,
    *,
    private: bool | None = None,
    token: str | None = None,
    revision: str | None = None,
    message: str = "Upload a linker",
) -> str:
    """Publish a bundle: make the repository if need be, and upload what ``save_pretrained`` writes in one commit.

    Args:
        bundle: The bundle.
        repo: ``OWNER/NAME``.
        options: What the publisher decides.
        private: Whether a new repository is private; by default as the owner's account says.
        token: Token with the right to write; by default the one that ``hf auth login`` stored, or ``HF_TOKEN``.
        revision: Branch to commit to; by default the main one.
        message: Of the commit.

    Returns:
        Address of the commit.

    Raises:
        BundleError: If the bundle cannot be published, or the hub refuses or cannot be reached.
    """
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory(prefix="pgmel-push-") as folder:
        part = Path(folder) / "bundle"
        save_pretrained(bundle, part, replace(options or PublishOptions(), repo=repo))
        api = HfApi(token=token, library_name="pgmel", library_version=__version__)
        try:
            api.create_repo(repo, private=private, exist_ok=True, repo_type="model")
            done = api.upload_folder(
                repo_id=repo, folder_path=part, commit_message=message, revision=revision, repo_type="model", delete_patterns=_OURS
            )
        except Exception as error:
            raise BundleError(f"the bundle cannot be pushed to {repo}: {_first_line(error)}. {_advice(error)}") from None
    return str(done.commit_url)


def find_pretrained(
    name: str | Path, *, revision: str | None = None, token: str | None = None, cache_dir: Path | None = None, verify: bool = False
) -> Path:
    """Return the folder of a bundle: the folder of that name if there is one, else what the hub has under it, downloaded and checked.

    Args:
        name: A folder, or ``OWNER/NAME`` on the hub.
        revision: Branch, tag or commit on the hub.
        token: For private repositories; by default the stored one.
        cache_dir: Where downloads are kept; by default the hub client's own cache.
        verify: Whether a folder here is checked as downloads always are.

    Raises:
        BundleError: If there is neither, the download fails, or what came is damaged, is no bundle, or holds a pickle.
    """
    if Path(name).is_dir():
        if verify:
            _check(Path(name), str(name))
        return Path(name)
    text = str(name)
    if text.startswith((".", "/", "~")) or text.count("/") > 1:
        raise BundleError(f"the folder {text} does not exist; check the path, or name a repository on the hub as OWNER/NAME")
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                text,
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                library_name="pgmel",
                library_version=__version__,
                ignore_patterns=[*PICKLE_PATTERNS, *_CODE],
            )
        )
    except Exception as error:
        raise BundleError(f"{text} is no folder here, and cannot be had from the hub: {_first_line(error)}. {_advice(error)}") from None
    _check(folder, text)
    return folder


def _check(folder: Path, name: str) -> None:
    _refuse_pickles(folder, name)
    if faults := check_bundle(folder):
        raise BundleError(f"what came from {name} is no whole bundle:\n" + "\n".join(f"  - {fault}" for fault in faults))


def _refuse_pickles(folder: Path, name: str) -> None:
    """Refuse a download whose card names a pickle, before anything of it is opened."""
    try:
        card = read_json(folder / CARD)
    except DataError as error:
        raise BundleError(f"{name} is not a bundle of pgmel: {error}") from None
    files = card.get("files") if isinstance(card, Mapping) else None
    listed = [str(file) for file in files] if isinstance(files, Mapping) else []
    if outside := [file for file in listed if not _is_inside(file)]:
        raise BundleError(f"{name} is refused: its card names files outside of it ({', '.join(outside)})")
    present = [folder / file for file in listed if (folder / file).is_file()]
    pickles: list[Any] = [file for file in listed if is_pickle_name(file)] or find_pickles(present)
    if pickles:
        raise BundleError(f"{name} is refused: it holds pickles ({', '.join(map(str, pickles))}), which run code when read")


def _is_inside(file: str) -> bool:
    return not Path(file).is_absolute() and ".." not in Path(file).parts


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def _advice(error: Exception) -> str:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    if isinstance(error, HFValidationError):
        return "Name the repository as OWNER/NAME"
    if isinstance(error, HfHubHTTPError | LocalTokenNotFoundError):
        return "Check its name and your rights; `hf auth login` stores a token, HF_TOKEN names one"
    return "Check the network and HF_ENDPOINT; with HF_HUB_OFFLINE=1 only what was downloaded before can be used"
