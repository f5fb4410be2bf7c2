"""Text files in pieces of bounded size, cut where a row ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

__all__ = ["csv_texts", "line_texts"]


def line_texts(file: Any, size: int) -> Iterator[bytes]:
    """The text in pieces of about `size` bytes, each of whole lines."""
    yield from _texts(file, size, lambda text: text.rfind(b"\n") + 1)


def csv_texts(file: Any, size: int, separator: str) -> Iterator[bytes]:
    """A CSV file in pieces of about `size` bytes, each of whole rows behind the line of names. Lines may end between
    quotes, which begin where a field begins."""
    head = b""
    for text in _texts(file, size, lambda text: _row_end(text, separator)):
        yield head + text
        head = head or _head(text, separator)


def _texts(file: Any, size: int, end: Any) -> Iterator[bytes]:
    """Pieces up to the `end` of what has been read so far; one without an end grows until it has one."""
    left: list[bytes] = []
    while chunk := file.read(size):
        left.append(chunk)
        if b"\n" in chunk:
            text = left[0] if len(left) == 1 else b"".join(left)
            cut = end(text)
            left = [text[cut:]]
            if cut:
                yield text[:cut]
    if any(left):
        yield b"".join(left)


def _row_end(text: bytes, separator: str) -> int:
    """Where the last whole row of a text that begins with a row ends; 0 without one."""
    cut = text.rfind(b"\n") + 1
    # an even number is no proof where quotes stand in fields without quotes, and lines end between quotes as well;
    # nobody writes both, and to look at every field would double the time of a quoted file
    if text.count(b'"', 0, cut) % 2 == 0:
        return cut
    cut = behind = 0  # an end of line between quotes, or a lone quote in a field: look closely
    for field in _quoted(separator).finditer(text):
        cut = text.rfind(b"\n", behind, field.start()) + 1 or cut
        behind = field.end()
    return text.rfind(b"\n", behind) + 1 or cut


@cache
def _quoted(separator: str) -> re.Pattern[bytes]:
    """A field in quotes, from the first to the last, or to the end of the text where that is still to come."""
    before = rb"(?:(?<=[\r\n%s]\")|(?<=\A\"))" % re.escape(separator.encode()) if len(separator.encode()) == 1 else b""
    return re.compile(rb'"' + before + rb'(?:[^"]++|"")*+(?:"|\Z)')


def _head(text: bytes, separator: str) -> bytes:
    """The line of names, with empty lines before it."""
    end = 0
    while end := text.find(b"\n", end) + 1:
        if text[:end].strip() and _row_end(text[:end], separator) == end:
            return text[:end]
    return text
