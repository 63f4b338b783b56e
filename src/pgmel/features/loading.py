"""Make encoders from their names."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, final

from pgmel.errors import EncoderError
from pgmel.features.fingerprints import FileDigests, fingerprint_files
from pgmel.features.protocols import ImageEncoder, TextEncoder
from pgmel.features.sources import MINILM, ModelFolder, model_files, resolve_model
from pgmel.registry import nearest

if TYPE_CHECKING:
    from pgmel.features.towers import DualModel

__all__ = ["BUILT_IN_IMAGE", "BUILT_IN_TEXT", "NONE", "EncoderLoader"]

NONE: Final = "none"
"""Name that asks for no encoder."""

_DESCRIPTOR: Final = "descriptor"

BUILT_IN_TEXT: Final = {
    NONE: "no text encoder; names are compared by their characters only",
    MINILM: "all-MiniLM-L6-v2 from the extra `offline`",
}
"""Names of text encoders that are neither folders nor hub models."""

BUILT_IN_IMAGE: Final = {NONE: "no image encoder", _DESCRIPTOR: "colour layout; needs no weights"}
"""Names of image encoders that are neither folders nor hub models."""

_PREPROCESSORS = ("preprocessor_config.json", "processor_config.json")


@final
@dataclass(frozen=True)
class EncoderLoader:
    """Makes encoders; weights are not read into memory before the first row is encoded.

    Args:
        revision: Branch, tag or commit of hub models.
        pooling: How token vectors of a text model become one; ``auto`` follows the model's folder.
        max_tokens: Texts are cut after so many tokens.
        device: Where models run: ``cpu``, ``cuda``, ``auto``...
        digests: Digests of model files known from before.
    """

    revision: str | None
    pooling: Literal["auto", "mean", "cls"]
    max_tokens: int
    device: str
    digests: FileDigests
    _duals: dict[Path, "DualModel"] = field(default_factory=dict)

    def text(self, name: str) -> TextEncoder | None:
        """Make the text encoder of that name.

        Raises:
            EncoderError: If there is no such model, or it is no text model.
            MissingExtraError: If its package is not installed.
        """
        if name == NONE:
            return None
        folder = self._resolve(name, "features.text_encoder", BUILT_IN_TEXT)
        if folder.is_onnx:
            raise EncoderError(f"features.text_encoder: {folder.path} holds an ONNX model; ONNX is read for pictures only")
        if folder.is_dual:
            from pgmel.features.towers import TextTower

            return TextTower(self._dual(folder), self.max_tokens)
        from pgmel.features.pooling import read_recipe
        from pgmel.features.transformer_text import TransformerText

        return TransformerText(folder, self._fingerprint(folder), read_recipe(folder.path, self.pooling), self.max_tokens, self.device)

    def image(self, name: str) -> ImageEncoder | None:
        """Make the image encoder of that name.

        Raises:
            EncoderError: If there is no such model, it is no vision model, or nothing says how its pictures are preprocessed.
            MissingExtraError: If its package is not installed.
        """
        if name == NONE:
            return None
        if name == _DESCRIPTOR:
            from pgmel.features.descriptor import ColourLayout

            return ColourLayout()
        folder = self._resolve(name, "features.image_encoder", BUILT_IN_IMAGE)
        if folder.is_onnx:
            from pgmel.features.onnx_image import OnnxImage

            return OnnxImage(folder, self._fingerprint(folder), self.device)
        if not any((folder.path / file).is_file() for file in _PREPROCESSORS):
            raise EncoderError(
                f"features.image_encoder: {folder.path} lacks preprocessor_config.json, which says how pictures are resized and "
                "normalised; it is no vision model, or was not saved whole"
            )
        if folder.is_dual:
            from pgmel.features.towers import ImageTower

            return ImageTower(self._dual(folder))
        from pgmel.features.transformer_image import TransformerImage

        return TransformerImage(folder, self._fingerprint(folder), self.device)

    def _resolve(self, name: str, setting: str, built_in: dict[str, str]) -> ModelFolder:
        try:
            return resolve_model(name, self.revision, setting)
        except EncoderError as error:
            guess = nearest(name, built_in)
            raise EncoderError(f"{error}. Did you mean {guess!r}?") if guess else error from None

    def _fingerprint(self, folder: ModelFolder) -> str:
        return fingerprint_files(folder.path, model_files(folder), self.digests)

    def _dual(self, folder: ModelFolder) -> "DualModel":
        """Share the weights between the two towers of one folder."""
        from pgmel.features.towers import DualModel

        key = folder.path.resolve()
        if key not in self._duals:
            self._duals[key] = DualModel(folder, self._fingerprint(folder), self.device)
        return self._duals[key]
