"""Paths and URIs: which of them a text is, and which files a URI may mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from netkit.files.atomic import same_path

__all__ = ["absolute", "files_of", "is_read_from", "packed", "scheme", "suffix"]

PACKED = (".gz", ".zst", ".bz2", ".lz4")
URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def suffix(where: str) -> str:
    """`.csv` of data.csv and of data.csv.gz."""
    left = [each for each in Path(where).suffixes if each not in PACKED]
    return left[-1].lower() if left else ""


def packed(where: str) -> bool:
    """Whether a path says that the file is compressed."""
    return where.endswith(PACKED)


def scheme(where: str) -> str:
    """`sqlite` of sqlite:///shop.db; nothing for a path, also for one that looks so and is there."""
    found = URI.match(where)
    return found[1].lower() if found and not os.path.exists(where) else ""


def absolute(where: str | Path) -> str:
    """A path from the root on; a URI as it is."""
    return str(where) if scheme(str(where)) else os.path.abspath(where)


def files_of(where: str) -> Iterator[str]:
    """A path; of a URI the files that it may mean: of sqlite:///shop.db?table=orders these are /shop.db and shop.db."""
    yield where
    if scheme(where):
        name = unquote(re.split("[?#]", where.partition("://")[2])[0]).lstrip("/")
        yield from (name, f"/{name}") if name else ()


def is_read_from(where: str | Path, path: str | Path) -> bool:
    """Whether who writes to a path writes over what is read."""
    return any(same_path(path, each) for each in files_of(str(where)))
