"""Image vectors from an ONNX vision model with a Hugging Face preprocessor file; needs neither torch nor transformers."""

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, final

import numpy as np
from PIL import Image

from pgmel.errors import EncoderError, MissingExtraError
from pgmel.features.lazy import Lazy
from pgmel.features.preprocessing import Preprocessing
from pgmel.features.sources import ModelFolder, first_line

__all__ = ["OnnxImage"]

_OUTPUTS = ("image_embeds", "pooler_output", "embeddings", "features")


@final
class OnnxImage:
    """Encodes pictures with ``model.onnx``.

    The input is ``pixel_values`` (or the only input), the output ``image_embeds``, ``pooler_output`` or the first one; of an
    output (pictures, tokens, dim) the first token is taken, and the mean over the map of (pictures, dim, height, width).

    Args:
        folder: The model: ``model.onnx`` and ``preprocessor_config.json``.
        fingerprint: Digest of its files.
        device: ``cuda`` is used where ONNX Runtime has it.

    Raises:
        EncoderError: If the preprocessor file is missing or not understood.
        MissingExtraError: If onnxruntime is not installed.
    """

    def __init__(self, folder: ModelFolder, fingerprint: str, device: str) -> None:
        if find_spec("onnxruntime") is None:
            raise MissingExtraError("onnxruntime", "onnx", f"the image encoder {folder.name!r} (an ONNX model)")
        self.name = folder.name
        self.revision = folder.commit
        self._file = folder.path / "model.onnx"
        self._device = device
        self._steps = Preprocessing.read(folder.path / "preprocessor_config.json")
        self._session = Lazy(self._load)
        self.target = self._steps.target
        self.identity = {"kind": "image-onnx", "fingerprint": fingerprint, "version": 1}

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """Return the (3, height, width) pixels that the preprocessor file asks for."""
        return self._steps.apply(picture)

    def encode(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Return (pictures, dim) float32 vectors."""
        session, source, target = self._session()
        fixed = isinstance(source.shape[0], int)
        equal = len({item.shape for item in prepared}) == 1
        groups = [prepared] if equal and not fixed else [[item] for item in prepared]
        try:
            outputs = [session.run([target.name], {source.name: np.stack(group)})[0] for group in groups]
        except Exception as error:
            raise EncoderError(f"{self._file} refuses its input: {first_line(error)}") from error
        vectors = np.concatenate(outputs).astype(np.float32)
        if vectors.ndim == 3:
            return vectors[:, 0]
        return vectors.mean(axis=(2, 3)) if vectors.ndim == 4 else vectors

    def _load(self) -> tuple[Any, Any, Any]:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        chosen = os.environ.get("OMP_NUM_THREADS", "")
        options.intra_op_num_threads = int(chosen) if chosen.isdigit() and chosen != "0" else min(4, os.cpu_count() or 1)
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads would steal the cores from everybody else
        options.log_severity_level = 3
        wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"] if self._device.startswith("cuda") else ["CPUExecutionProvider"]
        providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
        try:
            session = onnxruntime.InferenceSession(str(self._file), options, providers=providers)
        except Exception as error:
            raise EncoderError(f"the image encoder {self.name!r} cannot be loaded from {self._file}: {first_line(error)}") from error
        inputs = {node.name: node for node in session.get_inputs()}
        outputs = {node.name: node for node in session.get_outputs()}
        if len(inputs) != 1 and "pixel_values" not in inputs:
            raise EncoderError(f"{self._file} has the inputs {', '.join(inputs)}; an image encoder has one, named pixel_values")
        source = inputs.get("pixel_values") or next(iter(inputs.values()))
        target = next((outputs[name] for name in _OUTPUTS if name in outputs), None) or next(iter(outputs.values()))
        return session, source, target
