"""Components as text and as tables, and back.

    text    leaky_relu:slope=0.1            name, then settings separated by commas
    table   {type = "dense", units = 32}    TOML or JSON; settings that are components may be text or tables again

A value in text is TOML where it reads as TOML (0.1, true, "a, b", [1, 2]), null is None, and anything else is a word.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import sys
import tomllib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, fields, replace
from functools import cache, reduce
from numbers import Integral, Real
from operator import or_
from typing import Any, Literal, Union

import msgspec

from netkit.errors import PluginError, SettingError, UnknownComponent, UsageError, nearest
from netkit.kinds import KINDS, Activation, Component, Layer
from netkit.registry import current
from netkit.registry.info import missing_methods

__all__ = [
    "components",
    "hints",
    "make",
    "name",
    "nested",
    "parse",
    "read_value",
    "setting",
    "settings",
    "settle",
    "table",
    "text",
]

_SETTING = re.compile(r"\s*([A-Za-z_]\w*)\s*=")
_TOKEN = re.compile(r"""(?P<open>[\[{])|(?P<close>[\]}])|(?P<end>,)|"(?:[^"\\]|\\.)*"|[^"\[\]{},]+""")
"""What a value is made of: it goes on to a comma that stands outside of brackets and quotes."""
_WORD = re.compile(r"[A-Za-z_][\w./+-]*")


def make(kind: str, value: Any) -> Any:
    """A component of this kind from text, a table, a class or an instance, all its settings checked and resolved.

    A layer whose rows keep their shape may be named wherever an activation is. Raises `UnknownComponent` for a name,
    `SettingError` for a setting: unknown, missing, or breaking its rule.
    """
    if isinstance(value, str):
        return _built(kind, *parse(value))
    if isinstance(value, Mapping):
        return _built(kind, *_named(kind, dict(value)))
    kinds = (Activation, Layer) if kind == Activation.kind else (KINDS[kind],)
    if isinstance(value, type) and issubclass(value, kinds):
        value = _called(value, value.__name__, {})
    if not isinstance(value, kinds):
        raise SettingError(f"{kind}: a name, a table or an instance of {KINDS[kind].__name__} is needed, got {value!r}")
    if kind != value.kind:
        _as_activation(value)
    return _settled(name(value), value)


def parse(text: str) -> tuple[str, dict[str, Any]]:
    """The name and the settings in `name:setting=value,...`. Raises `SettingError`."""
    who, colon, listed = text.strip().partition(":")
    given: dict[str, Any] = {}
    position = 0
    while position < len(listed):
        match = _SETTING.match(listed, position)
        end = _value_end(listed, match.end()) if match else -1
        if not match or end < 0:
            raise SettingError(f"{who}: settings read setting=value,..., got {listed[position:]!r}")
        if match[1] in given:
            raise SettingError(f"{who}: {match[1]} is given twice")
        given[match[1]] = read_value(listed[match.end() : end].strip())
        position = end + 1
    if colon and not given:
        raise SettingError(f"{who}: settings read setting=value,..., got nothing after the colon")
    return who.strip(), given


def _value_end(text: str, start: int) -> int:
    """Where the value that starts here ends; -1 where a quote or a bracket is left open."""
    depth = 0
    while start < len(text) and (token := _TOKEN.match(text, start)):
        if token.lastgroup == "end" and not depth:
            return start
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        start = token.end()
        if depth < 0:
            return -1
    return start if start == len(text) and not depth else -1


def name(component: Component) -> str:
    """The name to call a component by in a message, also when it was never registered."""
    try:
        return _short_name(component)
    except UnknownComponent:
        return type(component).__name__


def settle(settings: Any) -> None:
    """Check a frozen dataclass of settings and make the components in it, from its `__post_init__`.

    The rules are its annotations, as in a component: `Annotated[float, Meta(gt=0)] | None`, `Optimizer | None`,
    `tuple[int | Layer, ...]`. Raises `SettingError` with everything that breaks its rule, such as
    "alpha: expected `float` > 0.0, got -1".
    """
    for name, value in _changes("", settings).items():
        object.__setattr__(settings, name, value)


def text(component: Component) -> str:
    """The shortest text that `make` turns back into an equal component."""
    given = [f"{key}={_as_text(value)}" for key, value in settings(component).items()]
    return ":".join([_short_name(component), *([",".join(given)] if given else [])])


def table(component: Component) -> dict[str, Any]:
    """The component as plain JSON: its qualified name under `type`, and every setting."""
    every = {field.name: _plain(getattr(component, field.name)) for field in fields(component)}
    return {"type": current().kinds[component.kind].info_of(component).qualified, **every}


def settings(component: Component) -> dict[str, Any]:
    """The settings that differ from their defaults."""
    return {f.name: value for f in fields(component) if (value := getattr(component, f.name)) != _default(component, f)}


def components(component: Component) -> Iterator[Component]:
    """The component and those in its settings, however deep."""
    yield component
    values: list[Any] = [*vars(component).values()]
    while values:
        value = values.pop()
        if isinstance(value, Component):
            yield from components(value)
        elif isinstance(value, (Mapping, tuple, list)):
            values += value.values() if isinstance(value, Mapping) else value


def nested(component: type[Component], name: str) -> str | None:
    """The kind of component that a setting holds, or None."""
    return _nested(hints(component)[name])


def _built(kind: str, name: str, given: dict[str, Any]) -> Component:
    kind = _kind_of(kind, name)
    component = current().kinds[kind][name]
    known = [field.name for field in fields(component) if field.init]
    wrong: list[UsageError] = [
        SettingError(f"{name}: there is no setting {setting!r}{nearest(setting, known) or _has(known)}")
        for setting in given
        if setting not in known
    ]
    try:
        made = _settled(name, _called(component, name, {key: value for key, value in given.items() if key in known}))
    except UsageError as error:
        wrong.append(error)
    if wrong:
        raise _all(wrong)
    return made


def _kind_of(kind: str, name: str) -> str:
    """Layer for a name among activations that is none of them, and a layer. Raises `SettingError` where it changes the
    shape of rows."""
    lookups = current().kinds
    if kind != Activation.kind or name in lookups[kind] or name not in lookups[Layer.kind]:
        return kind
    _as_activation(lookups[Layer.kind][name])
    return str(Layer.kind)


def _as_activation(layer: Any) -> None:
    if not layer.keeps_shape:
        who = layer.__name__ if isinstance(layer, type) else name(layer)
        raise SettingError(f"activation: {who} is a layer that changes the shape of rows; give it among the layers")


def _has(known: list[str]) -> str:
    return f"; it has {', '.join(known) or 'none'}"


def _all(wrong: list[UsageError]) -> UsageError:
    """One error that says what all of them say."""
    return wrong[0] if len(wrong) == 1 else SettingError("; ".join(map(str, wrong)))


def _called(component: type[Component], name: str, given: dict[str, Any]) -> Component:
    required = [f.name for f in fields(component) if f.init and f.default is MISSING and f.default_factory is MISSING]
    if missing := [setting for setting in required if setting not in given]:
        raise SettingError(f"{name}: {missing[0]} is required")
    if lacking := missing_methods(component):
        raise PluginError(f"{name}: {lacking}")
    return component(**given)


def _named(kind: str, given: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    name = given.pop("type", None)
    if not isinstance(name, str):
        raise SettingError(f"{kind}: a table needs a type, got {given!r}")
    return name, given


def _settled(who: str, component: Component) -> Component:
    """The component with every setting checked against its annotation, and nested components made."""
    return replace(component, **_changes(f"{who}: ", component))


def _changes(who: str, settings: Any) -> dict[str, Any]:
    """The settings that are not yet what they should be. Raises one error that tells of all that cannot be."""
    component: Any = type(settings)
    rules = hints(component)
    before = {field.name: getattr(settings, field.name) for field in fields(settings) if field.init}
    after = _each(lambda name, value: setting(who + name, rules[name], value), before)
    return {name: value for name, value in after.items() if value is not before[name]}


def _each(check: Callable[[Any, Any], Any], values: Mapping[Any, Any]) -> dict[Any, Any]:
    """check(key, value) of all values. Raises one error that tells of all that fail."""
    checked, wrong = {}, list[UsageError]()
    for key, value in values.items():
        try:
            checked[key] = check(key, value)
        except UsageError as error:
            wrong.append(error)
    if wrong:
        raise _all(wrong)
    return checked


def setting(who: str, hint: Any, value: Any) -> Any:
    """One value checked against the annotation of its setting, with the components in it made. Raises
    `SettingError`."""
    options = _options(hint)
    if value is None and types.NoneType in options:
        return None
    options = tuple(option for option in options if option is not types.NoneType)
    for option in options:
        made, parts = typing.get_origin(option), typing.get_args(option)
        if made in (tuple, list) and _nested(parts[0]):
            return made(_several(who, parts[0], value))
        if made is dict and _nested(inner := parts[1]) and isinstance(value, Mapping):
            return _each(lambda key, part: _item(f"{who}[{key!r}]", inner, part), value)
    if kind := _nested(hint):
        if isinstance(value, str) and any(value in typing.get_args(each) for each in options):
            return value  # a word that may stand instead of a component
        plain = [each for each in options if not _is_component(each) and each is not str]
        if not plain or isinstance(value, (str, Mapping, Component, type)):
            return make(kind, value)
        hint = reduce(or_, plain)
    return _converted(who, hint, value)


def _several(who: str, hint: Any, values: Any) -> list[Any]:
    """Several components, or whatever else the hint allows, in any list."""
    if not isinstance(values, (tuple, list)):
        raise SettingError(f"{who}: a list is needed, got {values!r}")
    return list(_each(lambda n, value: _item(f"{who}[{n}]", hint, value), dict(enumerate(values))).values())


def _item(who: str, hint: Any, value: Any) -> Any:
    try:
        return setting(who, hint, value)
    except UsageError as error:
        raise error if str(error).startswith(f"{who}:") else type(error)(f"{who}: {error}") from None


def _converted(who: str, hint: Any, value: Any) -> Any:
    """A plain value by the rule in its annotation."""
    if isinstance(value, Real) and not isinstance(value, bool):  # numpy's numbers too
        value = int(value) if isinstance(value, Integral) else float(value)
    try:
        settled = msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        rule = str(error).partition(", got")[0].partition(" - at")[0]
        if typing.get_origin(hint) is Literal:
            rule = f"{' or '.join(map(str, typing.get_args(hint)))} is needed"
        raise SettingError(f"{who}: {rule[:1].lower()}{rule[1:]}, got {value!r}") from None
    except UnicodeEncodeError:
        raise SettingError(f"{who}: text is needed that UTF-8 can write, got {value!r}") from None
    except TypeError:
        return value  # a hint that nobody can check
    if isinstance(settled, int) and not -(2**63) <= settled < 2**63:
        raise SettingError(f"{who}: a whole number of at most 64 bits is needed, got {value!r}")
    if isinstance(settled, float) and not math.isfinite(settled):
        raise SettingError(f"{who}: a finite number is needed, got {value!r}")
    return settled


@cache
def hints(component: Any) -> dict[str, Any]:
    """The annotations of the settings alone: others may name types that exist for a type checker only."""
    every: dict[str, Any] = {}
    for owner in reversed(component.__mro__):
        annotated = inspect.get_annotations(owner) if "__dataclass_fields__" in vars(owner) else {}
        own = {f.name: annotated[f.name] for f in fields(component) if f.name in annotated}
        settings = type("Settings", (), {"__annotations__": own})
        try:
            every |= typing.get_type_hints(settings, vars(sys.modules[owner.__module__]), include_extras=True)
        except NameError as error:
            who = component.__name__
            raise SettingError(f"{who}: the annotations of its settings cannot be read: {error}") from None
    return every


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_component(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Component)


def _nested(hint: Any) -> str | None:
    kinds = [each.kind for each in _options(hint) if _is_component(each)]
    return kinds[0] if kinds else None


def _short_name(component: Component) -> str:
    lookup = current().kinds[component.kind]
    info = lookup.info_of(component)
    return info.name if info.name in lookup and lookup.info(info.name) == info else info.qualified


def _default(component: Component, field: Field[Any]) -> Any:
    if field.default_factory is not MISSING:
        return field.default_factory()
    kind = nested(type(component), field.name)
    return make(kind, field.default) if kind and isinstance(field.default, str) else field.default


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return table(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (tuple, list)) else value


def read_value(word: str) -> Any:
    """What a text says: TOML where it reads as TOML, null is None, and anything else is a word."""
    if word == "null":
        return None
    try:
        return tomllib.loads(f"value = {word}")["value"]
    except (ValueError, RecursionError):  # also of a number with more digits than Python reads
        return word


def _as_text(value: Any, listed: bool = False) -> str:
    """A setting as text; among others in a list, words need quotes."""
    if value is None:
        return "null"
    if isinstance(value, Component):
        value = text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(_as_text(each, listed=True) for each in value)}]"
    if isinstance(value, str):
        plain = not listed and _WORD.fullmatch(value) and read_value(value) == value
        return value if plain else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
