"""What the road has to say, on a terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

from netkit.registry.guard import printable

__all__ = ["Terminal", "listening"]


class Terminal(logging.Handler):
    """Lines on stdout, and notes on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one of them."""
        note = record.levelno >= logging.WARNING
        text = printable(record.getMessage(), limit=None) if note else record.getMessage()
        click.echo(f"note: {text}" if note else text, err=note)


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
