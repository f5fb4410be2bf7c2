"""Dates in text that are not ISO 8601: how a column writes them, and what they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from itertools import product

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from netkit.errors import DataError, SettingError
from netkit.tables.columns import RowError, is_text, text

__all__ = ["DIGITS", "FORMATS", "fitting", "parse_dates", "pattern"]

CODES = {
    "d": r"\d{1,2}",
    "m": r"\d{1,2}",
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "b": r"[A-Za-z]{3,9}",
    "q": "[1-4]",
    "H": r"\d{1,2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
}
"""What each `%` code stands for, as in strptime: day, month, year, its last two digits (69 is 1969, 68 is 2068), the
month's English name, whole or its first three letters, quarter (%q), hour, minute, second."""
LONGEST = 40
"""Characters of a format."""
MONTHS = "january february march april may june july august september october november december".split()
NAMES = pa.array([name for each in MONTHS for name in (each, each[:3])])
DIGITS = "%Y%m%d"
"""Dates that look like whole numbers."""
DAYS = [
    *(each + year for each in ("%m/%d/", "%d/%m/", "%d-%m-", "%m-%d-", "%d.%m.", "%m.%d.") for year in ("%Y", "%y")),
    *("%Y/%m/%d", "%Y.%m.%d", "%b %d, %Y", "%b %d %Y", "%d %b %Y", "%d %b %y", "%d-%b-%Y", "%d-%b-%y"),
]
FORMATS = [day + time for day, time in product(DAYS, ("", " %H:%M", " %H:%M:%S"))] + ["%Y Q%q", "%Y %b", "%b %Y"]
"""Those that are found, of several that fit the first: with `/` months come first, else days."""


def parse_dates(name: str, values: pa.ChunkedArray, format: str) -> pa.ChunkedArray:
    """Text or whole numbers in this format as seconds since 1970, float64, null where missing. Raises `DataError`
    for the first value that is no such date, `SettingError` for a format that is none."""
    if not is_text(values) and not pa.types.is_integer(values.type) and not pa.types.is_null(values.type):
        raise DataError(f"{name}: dates written {format} are needed, got {values.type}")
    words = text(values)
    seconds = _seconds(words, format)
    if len(wrong := np.flatnonzero(np.isnan(seconds) & words.is_valid().to_numpy())):
        row = int(wrong[0])
        raise RowError(f"{name}: row {{row}}: {words[row].as_py()!r} is not a date written {format}", row)
    return pa.chunked_array([pa.array(seconds, from_pandas=True)])


def fitting(values: pa.ChunkedArray, formats: Iterable[str]) -> list[str]:
    """Those of some formats in which every value that is not missing is a date."""
    formats, first = [*formats], pc.index(pc.is_valid(values), True).as_py()
    if first < 0 or not formats:
        return formats
    word = text(values.slice(first, 1))[0].as_py().strip()  # nearly every column ends at its first value
    found = [format for format in formats if re.fullmatch(pattern(format), word)]
    if not found:
        return []
    known = pc.unique(text(values))
    words = pa.chunked_array([known.filter(known.is_valid())])
    return [format for format in found if not np.isnan(_seconds(words, format)).any()]


@cache
def pattern(format: str) -> str:
    """A regular expression with a group for each code. Raises `SettingError` for a format that is none."""
    parts = re.split("(%.)", format)
    codes = "".join(sorted(each[1] for each in parts[1::2]))
    date = re.sub("[HMS]", "", codes)
    if not (isinstance(format, str) and len(format) <= LONGEST and format.isascii()) or (
        date not in ("Ydm", "Ybd", "Yb", "Ym", "Yq", "dmy", "bdy") or codes not in _with_time(date)
    ):
        raise SettingError(f"format: %d, %m or %b, and %Y or %y, as in %d/%m/%Y, are needed, got {format!r}")
    close = "" in parts[2:-1:2]  # nothing stands between two numbers, so each has all its digits
    groups = [f"(?P<{each}>{CODES[each].replace('1,', '') if close else CODES[each]})" for each in codes]
    by_code = dict(zip(codes, groups))
    return "^" + "".join(by_code[each[1]] if n % 2 else re.escape(each) for n, each in enumerate(parts)) + "$"


def _with_time(date: str) -> list[str]:
    return ["".join(sorted(date + time)) for time in ("", "HM", "HMS")]


def _seconds(words: pa.ChunkedArray, format: str) -> np.ndarray:
    """Since 1970; nan for what is missing and for what is no date."""
    found = pc.extract_regex(pc.utf8_trim_whitespace(words), pattern(format)).combine_chunks()
    seconds = np.full(len(words), np.nan)
    at = np.flatnonzero(found.is_valid().to_numpy(zero_copy_only=False))
    part = {field.name: pc.struct_field(found, field.name).take(pa.array(at)) for field in found.type}
    number = {code: pc.cast(each, pa.int64()).to_numpy() for code, each in part.items() if code != "b"}
    year = number["Y"] if "Y" in number else number["y"] + np.where(number["y"] < 69, 2000, 1900)
    month, day = number.get("m", 1), number.get("d", 1)
    if "b" in part:
        month = pc.fill_null(pc.index_in(pc.ascii_lower(part["b"]), NAMES), -2).to_numpy() // 2 + 1
    if "q" in number:
        month = 3 * number["q"] - 2
    months = (year - 1970).astype("M8[Y]").astype("M8[M]") + (month - 1)
    days = months.astype("M8[D]") + (day - 1)
    hour, minute, second = (number.get(code, 0) for code in "HMS")
    true = (month >= 1) & (month <= 12) & (days.astype("M8[M]") == months) & (hour < 24) & (minute < 60) & (second < 60)
    made = days.astype(np.int64) * 86400.0 + hour * 3600 + minute * 60 + second
    seconds[at] = np.where(true, made, np.nan)
    return seconds
