"""Where entities' pictures come from: folders, archives, and, where asked for, the web."""

from pgmel.kb.picture_sources.archives import Extracted, extract_pictures, is_archive
from pgmel.kb.picture_sources.fetching import FetchFault, FetchLimits, fetch_picture, is_public
from pgmel.kb.picture_sources.finding import PictureFinder, is_url

__all__ = [
    "Extracted",
    "FetchFault",
    "FetchLimits",
    "PictureFinder",
    "extract_pictures",
    "fetch_picture",
    "is_archive",
    "is_public",
    "is_url",
]
