"""From records to cached feature matrices, one per channel, with a mask of who has that channel."""

from pgmel.features.cache import default_cache_dir
from pgmel.features.encoders import Encoders
from pgmel.features.lexical import LexicalHasher
from pgmel.features.loading import BUILT_IN_IMAGE, BUILT_IN_TEXT
from pgmel.features.picture_parts import NUM_PARTS
from pgmel.features.protocols import ImageEncoder, TextEncoder
from pgmel.features.rows import ChannelReport, FeatureReport, Features, PictureProblem

__all__ = [
    "BUILT_IN_IMAGE",
    "BUILT_IN_TEXT",
    "NUM_PARTS",
    "ChannelReport",
    "Encoders",
    "FeatureReport",
    "Features",
    "ImageEncoder",
    "LexicalHasher",
    "PictureProblem",
    "TextEncoder",
    "default_cache_dir",
]
