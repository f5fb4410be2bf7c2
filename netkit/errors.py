"""What netkit raises. Every message is one line: who speaks, the rule, the value received.

NetkitError                    exit code 1 on the command line
|- UsageError                  a wrong name or setting, exit code 2
|  |- UnknownComponent           also a KeyError: no such name
|  `- SettingError               also a ValueError: a setting or option that breaks its rule
|- ShapeError                  also a ValueError: sizes that do not meet, exit code 2
|- PluginError                 a plugin that is broken, blocked or in dispute
|- DataError                   a table that cannot be used
|- ModelFileError              a file that is not a model netkit can load
|- MemoryExhausted             also a MemoryError
`- DivergenceError             training reached nan or inf
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

__all__ = [
    "DataError",
    "DivergenceError",
    "MemoryExhausted",
    "ModelFileError",
    "NetkitError",
    "PluginError",
    "SettingError",
    "ShapeError",
    "UnknownComponent",
    "UsageError",
    "nearest",
]


class NetkitError(Exception):
    """Everything that netkit raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(NetkitError):
    """The caller asked for something that does not exist or is not allowed."""

    exit_code = 2


class UnknownComponent(UsageError, KeyError):
    """No component of that name."""

    __str__ = Exception.__str__  # KeyError would print the message in quotes


class SettingError(UsageError, ValueError):
    """A setting or an option breaks its rule."""


class ShapeError(NetkitError, ValueError):
    """Two sizes that should meet do not."""

    exit_code = 2


class PluginError(NetkitError):
    """A plugin is broken, blocked, or disputes a name with another."""


class DataError(NetkitError, ValueError):
    """A table that cannot be used as it is."""


class ModelFileError(NetkitError):
    """A file that is not a model netkit can load."""


class MemoryExhausted(NetkitError, MemoryError):
    """Something is too large for the memory that there is."""


class DivergenceError(NetkitError, ArithmeticError):
    """The loss or the weights became nan or infinite."""


def nearest(name: str, names: Iterable[str]) -> str:
    """`; did you mean a, b?` or nothing: the end of a message about an unknown name."""
    known = {each.lstrip("-"): each for each in sorted(names)}  # dashes would make all options alike
    word = name.lower().lstrip("-")
    close = [word] if word in known else get_close_matches(word, known, n=3, cutoff=0.55)
    return f"; did you mean {', '.join(_bare(known[each]) for each in close)}?" if close else ""


def _bare(name: str) -> str:
    """A name in quotes where it would not be seen how far it goes."""
    return name if name.isprintable() and name and not {" ", ","} & {*name} else repr(name)
