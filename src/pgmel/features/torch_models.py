"""Load transformers models from folders: quietly, in float32, without foreign code, and never with weights that are missing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pgmel.errors import EncoderError, PgmelError
from pgmel.features.sources import first_line

__all__ = ["checked_device", "load_model", "load_tokenizer", "loading", "quiet", "token_limit"]

# These count positions from the padding token's number on, so that two of their positions are never used.
_OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet", "xmod", "longformer", "roberta-prelayernorm")


def checked_device(device: str) -> str:
    """Return the device to compute on; ``auto`` is the accelerator if there is one.

    Raises:
        EncoderError: If torch does not know the device, or it is not there.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except Exception as error:
        raise EncoderError(f"the device {device!r} cannot be used ({first_line(error)}); use auto or cpu") from None
    return device


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and reports off the terminal while a model loads."""
    from transformers import utils

    logging: Any = utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def loading(what: str, folder: object) -> Iterator[None]:
    """Turn whatever goes wrong in the block into an ``EncoderError`` that names the part and the folder."""
    try:
        with quiet():
            yield
    except PgmelError:
        raise
    except Exception as error:
        raise EncoderError(f"{what} cannot be loaded from {folder}: {first_line(error)}") from error


def load_model(auto: Any, folder: os.PathLike[str], device: str, may_lack: tuple[str, ...] = ("pooler.",)) -> tuple[Any, set[str]]:
    """Load a model's weights.

    Args:
        auto: The transformers class to load with.
        folder: The model's folder.
        device: Where to put it.
        may_lack: Beginnings of weight names that the folder need not hold.

    Returns:
        The model in evaluation mode, and the names of the weights that the folder lacks (they are random numbers now).

    Raises:
        EncoderError: If weights are missing or of another shape; transformers would only warn, and every vector would be noise.
    """
    # With mismatched sizes let through, transformers lists them; otherwise it points to a report that it has just printed.
    model, info = auto.from_pretrained(
        folder, output_loading_info=True, dtype="float32", trust_remote_code=False, ignore_mismatched_sizes=True
    )
    lacking = {str(key) for key in info["missing_keys"]}
    fatal = sorted(key for key in lacking if not key.startswith(may_lack)) + [str(key[0]) for key in info["mismatched_keys"]]
    if fatal:
        raise EncoderError(
            f"the weights in {folder} do not fit its config.json: {len(fatal)} are missing or of another shape, such as {fatal[0]}"
        )
    return model.eval().requires_grad_(False).to(checked_device(device)), lacking


def load_tokenizer(folder: os.PathLike[str]) -> Any:
    """Load a folder's tokenizer.

    Raises:
        EncoderError: If the folder has no vocabulary; transformers would make an empty one, to which every text is the same.
    """
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    if tokenizer.vocab_size <= len(tokenizer.all_special_tokens):
        raise EncoderError(f"{folder} holds no vocabulary (tokenizer.json, vocab.txt, spiece.model); save the tokenizer with the model")
    return tokenizer


def token_limit(tokenizer: Any, config: Any, *limits: int | None) -> int:
    """Return the strictest of the given limits, the tokenizer's and the model's own."""
    known = [limit for limit in (*limits, tokenizer.model_max_length) if limit]
    if positions := getattr(config, "max_position_embeddings", None):
        offset = (config.pad_token_id or 0) + 1 if config.model_type in _OFFSET_POSITIONS else 0
        known.append(positions - offset)
    return int(min(known))
