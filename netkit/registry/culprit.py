"""Whose component raised: what comes out of a stranger's code is an error that names it, and none of netkit's own."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from dataclasses import is_dataclass
from functools import partial, wraps
from types import FrameType, MethodType
from typing import Any, ParamSpec, TypeVar

from netkit.errors import NetkitError, PluginError, UnknownComponent
from netkit.kinds import Component
from netkit.registry.guard import cause
from netkit.registry.info import RUN_TIME
from netkit.registry.lookup import current

__all__ = ["culprit", "is_stranger", "naming_plugins", "no_memory", "owner_of", "remedy"]

Given = ParamSpec("Given")
Result = TypeVar("Result")
NO_MEMORY = re.compile("can't allocate memory|out of memory|calculation overflowed|multiplication overflow")
"""How torch says it, in plain RuntimeErrors."""


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


def culprit(error: BaseException) -> PluginError | None:
    """What to raise instead of an exception that came out of a stranger's component; None where it came from elsewhere.

    It came from the component whose method is the innermost one on the stack that is no component's of netkit. Where
    there is none, netkit stumbled over what a component returned, or over how it is called: then from one that the
    innermost function of netkit was dealing with.
    """
    if isinstance(error, NetkitError) or no_memory(error):
        return None
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    inside = [component for frame in frames for component in _inside(frame)]
    found = [component for component in inside if is_stranger(component)][:1]
    if not inside and isinstance(error, Exception):
        found = _called(error, [frame for frame in frames if _module(frame).startswith("netkit.")])
    if not found:
        return None
    who = " or ".join(dict.fromkeys(map(owner_of, found)))
    return PluginError(f"{who}: {cause(error)}; {remedy(found[0])}")


def no_memory(error: BaseException) -> bool:
    """Whether it says that there is not enough memory."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(NO_MEMORY.search(str(error))))


def is_stranger(component: Component) -> bool:
    """Whether a component is not one of netkit's own. Imports nothing."""
    return not current().kinds[component.kind].is_own(type(component))


def owner_of(component: Component) -> str:
    """A component and the distribution that it is of, as a message names them."""
    try:
        info = current().kinds[component.kind].info_of(component)
    except UnknownComponent:
        return f"{component.kind} {type(component).__qualname__} (of {type(component).__module__})"
    where = "registered by hand" if info.distribution == RUN_TIME else f"{info.distribution} {info.version}"
    return f"{component.kind} {info.qualified} ({where})"


def remedy(component: Component) -> str:
    """Where to look for more."""
    try:
        info = current().kinds[component.kind].info_of(component)
    except UnknownComponent:
        return f"netkit.testing.check({type(component).__qualname__}) tells more"
    by_hand = f"netkit.testing.check({info.name!r}) tells more"
    return by_hand if info.distribution == RUN_TIME else f"netkit check {info.qualified} tells more"


def _inside(frame: FrameType) -> Iterator[Component]:
    """The component whose method a frame is of."""
    names = ["self", *frame.f_code.co_varnames[: min(1, frame.f_code.co_argcount)]]
    values = [frame.f_locals[name] for name in names if name in frame.f_locals]
    yield from [value for value in values if isinstance(value, Component)][:1]


def _called(error: Exception, frames: list[FrameType]) -> list[Component]:
    """The strangers' components that the innermost frame had at hand; where the error names one, that one."""
    at_hand = [part for value in [*frames[0].f_locals.values()] for part in _parts(value)] if frames else []
    strangers = [each for each in at_hand if is_stranger(each)]
    return [each for each in strangers if str(error).startswith(f"{type(each).__qualname__}.")] or strangers


def _parts(value: Any) -> Iterator[Component]:
    """The components of a local value: itself, that of a bound method, those of a link of a network."""
    while isinstance(value, partial):
        value = value.func
    if isinstance(value, MethodType):
        value = value.__self__
    linked = is_dataclass(value) and not isinstance(value, Component)
    parts = [getattr(value, name, None) for name in ("layer", "activation")] if linked else [value]
    yield from [each for each in parts if isinstance(each, Component)]


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
