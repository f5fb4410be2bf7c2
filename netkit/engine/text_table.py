"""A few rows to read, as text on a terminal and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["TextTable"]


@dataclass(frozen=True, repr=False)
class TextTable:
    """A caption, the names of the columns and rows of cells; columns of numbers stand to the right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        every = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*every)]
        lines = ("  ".join(self._cell(*each) for each in zip(row, widths, self._numeric())).rstrip() for row in every)
        return "\n".join([self.caption, *lines])

    def _repr_html_(self) -> str:
        """A plain table: the colours are the page's own."""
        cells = [
            "".join(
                f'<{tag} style="text-align: {"right" if right else "left"}">{escape(cell)}</{tag}>'
                for cell, right in zip(row, self._numeric())
            )
            for tag, row in [("th", self.head), *(("td", row) for row in self.rows)]
        ]
        rows = "".join(f"<tr>{each}</tr>" for each in cells)
        return f'<table><caption style="text-align: left">{escape(self.caption)}</caption>{rows}</table>'

    def _numeric(self) -> list[bool]:
        return [all(cell[:1] in "-0123456789" for cell in column) for column in zip(*self.rows)] or [False] * len(
            self.head
        )

    @staticmethod
    def _cell(text: str, width: int, right: bool) -> str:
        return text.rjust(width) if right else text.ljust(width)
