"""The settings as a JSON Schema, and a configuration with every default."""

from __future__ import annotations

import logging
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any

import msgspec

from netkit import spec
from netkit.errors import NetkitError
from netkit.kinds import KINDS, Activation, Component, Layer
from netkit.registry import current
from netkit.registry.requirements import Plugins
from netkit.tables.settings import Settings, Task, hints, options, own_loss, own_optimizer

__all__ = ["filled", "json_schema"]

logger = logging.getLogger("netkit")


def json_schema() -> dict[str, Any]:
    """What a TOML configuration may say, with every installed component and its settings."""
    definitions: dict[str, Any] = {kind: {"anyOf": [{"type": "string"}, *_tables(kind)]} for kind in KINDS}
    definitions[Activation.kind]["anyOf"] += _tables(Layer.kind, lambda layer: layer.keeps_shape)
    properties = {
        name: {**_of(option.accepts or hints()[name]), "description": option.help} for name, option in options().items()
    }
    properties["plugins"] = msgspec.json.schema(Plugins)["$defs"]["Plugins"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netkit train --config",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": definitions,
    }


def _of(hint: Any) -> dict[str, Any]:
    """The schema of what a hint allows; TOML has no null."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and issubclass(hint, Component):
        return {"$ref": f"#/$defs/{hint.kind}"}
    if origin in (typing.Union, types.UnionType):
        given = [each for each in inner if each is not types.NoneType]
        if any(isinstance(each, type) and issubclass(each, Component) for each in given):
            given = [each for each in given if each is not str]  # a component may be text anyway
        found = [_of(each) for each in given]
        return found[0] if len(found) == 1 else {"anyOf": found}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(inner[1])}
    if origin in (tuple, list):
        return {"type": "array", "items": _of(inner[0])}
    if origin is Annotated and typing.get_origin(inner[0]) in (typing.Union, types.UnionType, tuple):
        return _of(inner[0])
    return msgspec.json.schema(hint)


def _tables(kind: str, fits: Callable[[Any], bool] = lambda component: True) -> Iterator[dict[str, Any]]:
    """What a table for each component of the kind that fits may hold; one that cannot be imported has no say."""
    lookup = current().kinds[kind]
    for info in lookup.infos():
        try:
            component = lookup[info.qualified]
            settings = {field.name: _setting(component, field.name) for field in fields(component)}
        except NetkitError as error:
            logger.warning(str(error))
            continue
        if not fits(component):
            continue
        needed = [f.name for f in fields(component) if f.default is MISSING and f.default_factory is MISSING]
        own = [each for each in (*info.aliases, info.name) if each in lookup and lookup.info(each) == info]
        yield {
            "type": "object",
            "description": info.summary,
            "properties": {"type": {"enum": [info.qualified, *own]}, **settings},
            "required": ["type", *needed],
            "additionalProperties": False,
        }


def _setting(component: type[Component], name: str) -> dict[str, Any]:
    hint = spec.hints(component)[name]
    null = [{"type": "null"}] if types.NoneType in typing.get_args(hint) else []
    try:
        found = _of(hint)
    except TypeError:  # a function, a tensor: JSON Schema has no word for it
        return {}
    return {"anyOf": [found, *null]} if null else found


def filled(given: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Every setting with its help and its value: as it is given, or else what training would take."""
    defaults = {each.name: None if each.default is MISSING else each.default for each in fields(Settings)}
    chosen = _chosen(given)
    for name, option in options().items():
        value = given.get(name, chosen.get(name, None if name == "plugins" else defaults[name]))
        yield name, option.help if value else f"{option.help}{_by_task(name)}", value


def _by_task(name: str) -> str:
    """What the task decides, where nobody chose."""
    own = [own_loss(task) for task in typing.get_args(Task)] if name in ("loss", "metric") else []
    taken = [(loss.task, spec.name(loss) if name == "loss" else loss.metric) for loss in own]
    return " By the task: " + ", ".join(f"{word} for {task}" for task, word in taken) + "." if taken else ""


def _chosen(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is taken where nobody chose, as far as it does not depend on the table."""
    optimizer = spec.make("optimizer", given["optimizer"]) if "optimizer" in given else own_optimizer()
    found = {"activation": current().activations.first(), "optimizer": spec.text(optimizer), "alpha": optimizer.alpha}
    if "loss" in given or "task" in given:
        loss = spec.make("loss", given["loss"]) if "loss" in given else own_loss(given["task"])
        found |= {"loss": spec.text(loss), "task": loss.task, "metric": [loss.metric] if loss.metric else []}
    return found
