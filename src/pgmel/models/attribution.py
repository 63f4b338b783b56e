"""Which channels of a mention a score is owed to: exact Shapley values, which add up to the score."""

from collections.abc import Mapping
from math import factorial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64

from pgmel.features import Features
from pgmel.models.batch import Modalities
from pgmel.models.embedder import Embedder
from pgmel.models.projection import Contributions

__all__ = ["ChannelShares", "attribute_channels", "coalitions", "shapley_values"]


class ChannelShares(NamedTuple):
    """A mention's scores, shared out over the channels that it has.

    Attributes:
        channels: Names of the channels, text before pictures.
        shares: Share of each channel in the score of each entity.
        scores: The scores; each is the sum of its column of ``shares``.
    """

    channels: tuple[str, ...]
    shares: Float64[np.ndarray, "channels entities"]
    scores: Float64[np.ndarray, "entities"]


def coalitions(num_players: int) -> Bool[np.ndarray, "coalitions players"]:
    """Return all sets of players, one a row, the empty set first: player ``p`` takes part in row ``r`` if bit ``p`` of ``r`` is set."""
    bits: np.ndarray = (np.arange(1 << num_players)[:, None] >> np.arange(num_players)) & 1
    return bits.astype(bool)


def shapley_values(values: Float64[np.ndarray, "coalitions games"]) -> Float64[np.ndarray, "players games"]:
    """Return what each player is worth: its gain on joining, averaged over all orders in which the players may join.

    The values of a game add up to what all players reach together less what the empty set has; players that can take each other's place
    get the same, and one that never changes anything gets 0.

    Args:
        values: What each set of players reaches, in the order of :func:`coalitions`; several games side by side.

    Source: Shapley 1953, "A value for n-person games".
    """
    num_players = len(values).bit_length() - 1
    members = coalitions(num_players)
    sizes = members.sum(axis=1)
    # How many of all n! orders have exactly this set before the player, as a share; the set is without the player.
    weights = np.array([factorial(size) * factorial(max(num_players - size - 1, 0)) for size in range(num_players + 1)], np.float64)
    weights /= factorial(num_players)
    shares = np.zeros((num_players, values.shape[1]))
    for player in range(num_players):
        without = np.flatnonzero(~members[:, player])
        gains = values[without | (1 << player)] - values[without]
        shares[player] = weights[sizes[without]] @ gains
    return shares


def attribute_channels(embedder: Embedder, features: Features, vectors: Float32[np.ndarray, "entities dim"]) -> ChannelShares:
    """Share out a mention's scores over its channels.

    The mention is embedded once with every set of its channels, 128 times at most; the others are left out as the model leaves out what
    a mention lacks: a text channel adds nothing to the text input, and where no text channel, or no picture, is left, that side of
    the gate is closed and the vector is padded. No channel at all scores 0.

    Args:
        embedder: The model.
        features: The mention, one row.
        vectors: What it is scored against.
    """
    parts = embedder.projection.contributions(features)
    text = [name for name in parts.text if features.present[name][0]]
    image = [name for name in parts.image if features.present[name][0]]
    members = coalitions(len(text) + len(image))
    inputs = _inputs(parts, text, image, members)
    embedder.discriminator.eval()
    with torch.inference_mode():
        mentions = embedder.discriminator.embed_mentions(inputs.to(embedder.device)).float().cpu().numpy()
    values = mentions.astype(np.float64) @ vectors.astype(np.float64).T
    values[0] = 0.0
    return ChannelShares((*text, *image), shapley_values(values), values[-1])


def _inputs(parts: Contributions, text: list[str], image: list[str], members: Bool[np.ndarray, "coalitions players"]) -> Modalities:
    """Return the tower's inputs for every set of channels, text channels counted first."""
    with_text, with_image = members[:, : len(text)], members[:, len(text) :]
    has_text, has_image = np.asarray(with_text.any(axis=1)), np.asarray(with_image.any(axis=1))
    return Modalities.from_numpy(_sum_up(parts.text, text, with_text), _sum_up(parts.image, image, with_image), has_text, has_image)


def _sum_up(
    parts: Mapping[str, np.ndarray], names: list[str], members: Bool[np.ndarray, "coalitions names"]
) -> Float32[np.ndarray, "coalitions dim"]:
    width = next((part.shape[1] for part in parts.values()), 0)
    rows = np.concatenate([parts[name] for name in names]) if names else np.zeros((0, width), np.float32)
    return np.asarray(members.astype(np.float32) @ rows)
