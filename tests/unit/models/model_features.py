"""Features built by hand for the tests of the models."""

import numpy as np
from scipy import sparse

from pgmel.features import Features


def unit(rows: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def make_features(rows: int = 20, seed: int = 0, channels: str = "name context lexical image", gaps: bool = True) -> Features:
    """Dense text of 12 columns, n-grams of 40, pictures of 9 with an offset; with gaps some rows lack text, pictures or both."""
    rng = np.random.default_rng(seed + 1000)
    numbers = np.arange(rows)
    has_text = ~((numbers % 5 == 3) & gaps)
    has_image = ~((numbers % 5 >= 2) & gaps)
    counts = rng.integers(0, 3, size=(rows, 40)) * (rng.random((rows, 40)) < 0.3) + 0.0
    counts[:, 0] = 1
    lexical = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    everything = {
        "name": (unit(rows, 12, seed) * has_text[:, None]).astype(np.float16),
        "context": (unit(rows, 12, seed + 1) * has_text[:, None]).astype(np.float16),
        "lexical": sparse.csr_matrix((lexical * has_text[:, None]).astype(np.float32)),
        "image": ((rng.normal(size=(rows, 9)) * np.linspace(3, 1, 9) + 2) * has_image[:, None]).astype(np.float16),
    }
    wanted = channels.split()
    present = {name: (has_image if name == "image" else has_text).copy() for name in wanted}
    return Features(tuple(f"row-{number}" for number in numbers), {name: everything[name] for name in wanted}, present)
