"""Copy a KB for others: without its pictures' paths, which tell of the machine that it was made on and lead nowhere elsewhere."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from pgmel.errors import KnowledgeBaseError
from pgmel.kb.schema import check_file, connect, settle

__all__ = ["copy_without_pictures"]


def copy_without_pictures(source: Path, target: Path) -> None:
    """Copy a KB's file and take all picture paths out of the copy, also out of pages that SQLite had set free.

    Rows and fingerprint stay: the fingerprint names the content that the index was made from.

    Args:
        source: The file of the KB.
        target: The file to write; its folder must be there.

    Raises:
        KnowledgeBaseError: If the KB is missing or damaged, or the copy cannot be written.
    """
    check_file(source)
    settle(source)
    try:
        shutil.copyfile(source, target)
        with closing(connect(target, "rw")) as connection:
            connection.execute("UPDATE entities SET images = NULL WHERE images IS NOT NULL")
            connection.execute("UPDATE meta SET value = '' WHERE key = 'image_root'")
            connection.execute("VACUUM")  # writes every page anew: what was changed above leaves no trace
    except (OSError, sqlite3.Error) as error:
        raise KnowledgeBaseError(f"the knowledge base {source} cannot be copied to {target}: {error}") from None
