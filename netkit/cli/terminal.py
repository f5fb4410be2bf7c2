"""What is said on a terminal: whole words within its width, nothing that steers it. In a pipe a line is a line."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unicodedata import combining, east_asian_width

import click

from netkit.registry.guard import printable

__all__ = ["Terminal", "cells", "listening", "say", "table", "wrapped"]

NARROWEST = 12
"""Columns of a terminal that a column of a table keeps, where it has so many."""

WIDE = 60
"""Characters from which on a column of a table is not padded in a pipe."""


class Terminal(logging.Handler):
    """Lines on stdout, and notes on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one of them."""
        if record.levelno >= logging.WARNING:
            say(f"note: {printable(record.getMessage(), None)}", err=True)
        else:
            say(record.getMessage())


@contextmanager
def listening() -> Iterator[None]:
    """While this lasts, what goes to the logger `netkit` is said."""
    logger, terminal = logging.getLogger("netkit"), Terminal()
    before = logger.level, logger.propagate
    logger.addHandler(terminal)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(terminal)
        logger.level, logger.propagate = before


def say(text: str, err: bool = False, indent: int = 2) -> None:
    """Lines without characters that steer a terminal; on one, wrapped, what follows `indent` columns further in."""
    room = shutil.get_terminal_size().columns if (sys.stderr if err else sys.stdout).isatty() else None
    for line in text.split("\n"):
        line = printable(line, None, keep_spaces=True)
        click.echo("\n".join(wrapped(line, room, indent)) if room else line, err=err)


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Columns side by side, those in `right` to the right. On a terminal cells are wrapped: the widest give way first;
    elsewhere a wide one is not padded."""
    rows = [[printable(cell, None, keep_spaces=True) for cell in row] for row in rows]
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    if not sys.stdout.isatty():
        for row in rows:
            click.echo(_side_by_side(row, [width if width <= WIDE else 0 for width in widths], right))
        return
    room = shutil.get_terminal_size().columns - 2 * (len(widths) - 1)
    words = [max(cells(word) for cell in column for word in ["", *cell.split()]) for column in zip(*rows, strict=True)]
    for least in (words, [NARROWEST] * len(widths)):  # inside of a word only where there is no other way
        while sum(widths) > room and (wide := [n for n, width in enumerate(widths) if width > least[n]]):
            widths[max(wide, key=lambda n: widths[n])] -= 1
    for row in rows:
        parts = [wrapped(cell, width, 0) for cell, width in zip(row, widths, strict=True)]
        for number in range(max(map(len, parts))):
            click.echo(_side_by_side([each[number] if number < len(each) else "" for each in parts], widths, right))


def _side_by_side(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    pads = [" " * (width - cells(text)) for text, width in zip(row, widths, strict=True)]
    padded = [pad + text if n in right else text + pad for n, (text, pad) in enumerate(zip(row, pads, strict=True))]
    return "  ".join(padded).rstrip()


def wrapped(text: str, width: int, indent: int = 2) -> list[str]:
    """The text in lines of at most `width` columns, broken between words; inside of one that is wider than a line."""
    if cells(text) <= width:
        return [text]
    start = text[: len(text) - len(text.lstrip())]
    hanging = " " * min(cells(start) + indent, width // 2)
    lines, line = [], start[: width // 2]
    for gap, word in re.findall(r"(\s*)(\S+)", text):
        gap = gap if line.strip() else ""
        if gap and cells(line + gap + word) > width:
            lines.append(line)
            line, gap = hanging, ""
        while cells(line + gap + word) > width and len(word) > 1:
            fits = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or cells(line + gap + word[:n]) <= width)
            lines.append(line + gap + word[:fits])
            line, gap, word = hanging, "", word[fits:]
        line += gap + word
    return [*lines, line]


def cells(text: str) -> int:
    """The columns of a terminal that a text takes."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
