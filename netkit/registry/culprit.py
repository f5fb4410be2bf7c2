"""Whose component raised: what comes out of a stranger's code is an error that names it, and none of netkit's own."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import wraps
from types import FrameType
from typing import ParamSpec, TypeVar

from netkit.errors import DataError, NetkitError, PluginError
from netkit.kinds import KINDS, Component
from netkit.registry.guard import cause, guarded, printable
from netkit.registry.owner import is_stranger, owner_of, remedy

__all__ = ["blaming", "culprit", "naming_plugins", "no_memory"]

Given = ParamSpec("Given")
Result = TypeVar("Result")
NO_MEMORY = re.compile("can't allocate memory|out of memory|calculation overflowed|multiplication overflow")
"""How torch says it, in plain RuntimeErrors."""
NO_ROOM = re.compile("failed to map segment|annot allocate memory")
"""How the loader of libraries says it, in ImportErrors and OSErrors."""


def naming_plugins(function: Callable[Given, Result]) -> Callable[Given, Result]:
    """The same function; but what a stranger's component raises in it is a `PluginError` that names the component."""

    @wraps(function)
    def named(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except (KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:
            if found := culprit(error):
                raise found from error
            raise

    return named


@contextmanager
def blaming(component: Component, where: str) -> Iterator[None]:
    """What a component raises is a `PluginError` that says where, such as in which column, and whose it is. A
    `DataError` blames the data at that place; memory that runs out is nobody's fault."""
    try:
        with guarded():
            yield
    except PluginError as error:
        if isinstance(error.__cause__, MemoryError):
            raise error.__cause__ from None
        about = "" if isinstance(error.__cause__, DataError) else f"{owner_of(type(component))}: "
        said = error.__cause__ if isinstance(error.__cause__, DataError) else error
        raise (PluginError if about else DataError)(printable(f"{where}: {about}{said}")) from error


def culprit(error: BaseException) -> PluginError | None:
    """What to raise instead of an exception that came out of a stranger's component; None where it came from elsewhere.

    It came from the component whose method is the innermost one on the stack that is no component's of netkit. Where
    there is none, netkit stumbled over how a component is called, which the error says, or over what one returned:
    then it is one that the innermost function of netkit had at hand.
    """
    if isinstance(error, (NetkitError, Warning)) or no_memory(error):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    inside = [component for frame in frames for component in _inside(frame)]
    found = [component for component in inside if is_stranger(component)][:1] or _called_wrong(error)
    if not inside and not found and isinstance(error, Exception):
        found = [each for each in _at_hand(frames) if is_stranger(each)]
    if not found:
        return None
    who = " or ".join(dict.fromkeys(map(owner_of, found)))
    return PluginError(f"{who}: {cause(error)}; {remedy(found[0])}")


def no_memory(error: BaseException) -> bool:
    """Whether it says that there is not enough memory."""
    said = NO_MEMORY if isinstance(error, RuntimeError) else NO_ROOM
    plain = isinstance(error, (RuntimeError, ImportError, OSError))
    return isinstance(error, MemoryError) or (plain and bool(said.search(str(error))))


def _inside(frame: FrameType) -> list[type[Component]]:
    """The component whose method a frame is of."""
    names = ["self", *frame.f_code.co_varnames[: min(1, frame.f_code.co_argcount)]]
    values = [frame.f_locals[name] for name in names if name in frame.f_locals]
    return [type(value) for value in values if isinstance(value, Component)][:1]


def _called_wrong(error: BaseException) -> list[type[Component]]:
    """The components whose method does not take what it was given."""
    method = re.match(r"(.+)\.\w+\(\) ", str(error)) if isinstance(error, TypeError) else None
    every = [base for base in KINDS.values() if method]
    for each in every:  # which grows on the way
        every += each.__subclasses__()
    return [each for each in every if method and each.__qualname__ == method[1] and is_stranger(each)]


def _at_hand(frames: list[FrameType]) -> Iterator[type[Component]]:
    """The components among the variables of the innermost function of netkit, as they are or in a link of a network."""
    own = [frame for frame in frames if str(frame.f_globals.get("__name__")).startswith("netkit.")]
    for value in own[0].f_locals.values() if own else ():
        linked = is_dataclass(value) and not isinstance(value, Component)
        parts = [getattr(value, name, None) for name in ("layer", "activation")] if linked else [value]
        yield from (type(each) for each in parts if isinstance(each, Component))
