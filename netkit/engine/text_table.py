"""A few rows to read, as text on a terminal and as HTML in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["TextTable", "aligned"]


@dataclass(frozen=True, repr=False)
class TextTable:
    """A caption, the names of the columns and rows of cells; columns of numbers stand to the right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __repr__(self) -> str:
        return "\n".join([self.caption, *aligned([self.head, *self.rows], self._numeric().__getitem__)])

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


def aligned(rows: Sequence[Sequence[str]], right: Callable[[int], bool] = lambda place: place > 0) -> list[str]:
    """Lines of columns; `right` says which stand to the right. A row may have fewer cells than others."""
    count = max(map(len, rows))
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    wide = [max(map(len, column)) for column in zip(*full)]
    cells = (
        [cell.rjust(wide[place]) if right(place) else cell.ljust(wide[place]) for place, cell in enumerate(row)]
        for row in full
    )
    return ["  ".join(row).rstrip() for row in cells]
