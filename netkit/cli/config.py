"""`netkit schema` and `netkit config fill`: what a TOML configuration may say, and all that it leaves unsaid."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any

import click
import msgspec

from netkit.cli.memory import PATTERN, Memory
from netkit.cli.options import Columns, ComponentText, Hidden, Validation
from netkit.cli.saving import Every
from netkit.cli.toml_file import PLAIN, Plugins, check, loaded, options_of
from netkit.errors import NetkitError
from netkit.kinds import KINDS, Component
from netkit.registry import current
from netkit.registry.guard import printable

__all__ = ["config", "schema"]


def _options() -> dict[str, click.Option]:
    """The options of `train` that a configuration may set."""
    from netkit.cli.train import train

    return options_of(train)


@click.command()
def schema() -> None:
    """Print a JSON Schema of the TOML configuration, with every installed component and its settings."""
    definitions: dict[str, Any] = {kind: {"anyOf": [{"type": "string"}, *_tables(kind)]} for kind in KINDS}
    properties = {name: _option(option) for name, option in _options().items()}
    plugins = msgspec.json.schema(Plugins)["$defs"]["Plugins"]
    click.echo(
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "netkit train --config",
                "type": "object",
                "properties": {**properties, "plugins": plugins},
                "additionalProperties": False,
                "$defs": definitions,
            },
            indent=2,
        )
    )


def _tables(kind: str) -> Iterator[dict[str, Any]]:
    """What a table for each component of the kind may hold; one that cannot be imported has no say."""
    lookup = current().kinds[kind]
    for info in lookup.infos():
        try:
            component = lookup[info.qualified]
            settings = {field.name: _setting(component, field.name) for field in fields(component)}
        except NetkitError as error:
            click.echo(f"netkit: {printable(str(error), limit=None)}", err=True)
            continue
        needed = [f.name for f in fields(component) if f.default is MISSING and f.default_factory is MISSING]
        names = sorted(
            {info.qualified, *([info.name] if info.name in lookup and lookup.info(info.name) == info else [])}
        )
        yield {
            "type": "object",
            "description": info.summary,
            "properties": {"type": {"enum": names}, **settings},
            "required": ["type", *needed],
            "additionalProperties": False,
        }


def _setting(component: type[Component], name: str) -> dict[str, Any]:
    from netkit.spec import hints, nested

    if kind := nested(component, name):
        return {"anyOf": [{"$ref": f"#/$defs/{kind}"}, {"type": "null"}]}
    try:
        return msgspec.json.schema(hints(component)[name])
    except TypeError:  # a function, a tensor: JSON Schema has no word for it
        return {}


def _option(option: click.Option) -> dict[str, Any]:
    one = _value(option.type)
    if option.multiple:
        one = {"type": "array", "items": one}
    return {**one, "description": option.help or "The layers from first to last, instead of hidden and activation."}


def _value(kind: click.ParamType) -> dict[str, Any]:  # type: ignore[type-arg]
    if isinstance(kind, ComponentText):
        return {"$ref": f"#/$defs/{kind.kind}"}
    if isinstance(kind, Hidden):
        part = {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/layer"}]}
        return {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "array", "items": part}]}
    if isinstance(kind, Columns):
        return {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}
    if isinstance(kind, Validation):
        return {"anyOf": [{"type": "number", "minimum": 0, "exclusiveMaximum": 1}, {"type": "string"}]}
    if isinstance(kind, Memory):
        return {"type": "string", "pattern": PATTERN}
    if isinstance(kind, Every):
        return {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": r"^\d+(s|min|h)?$"}]}
    if isinstance(kind, click.Choice):
        return {"enum": list(kind.choices)}
    return {"type": PLAIN[kind.name.split()[0]][0], **dict(_range(kind))}


def _range(kind: click.ParamType) -> Iterator[tuple[str, float]]:  # type: ignore[type-arg]
    """The limits of a range in the words of JSON Schema."""
    for end, word in (("min", "inimum"), ("max", "aximum")):
        limit = getattr(kind, end, None)
        if limit is not None:
            yield (f"exclusiveM{word}" if getattr(kind, f"{end}_open") else f"m{word}"), limit


@click.group()
def config() -> None:
    """Configurations in TOML."""


@config.command()
@click.argument("file", required=False)
def fill(file: str | None) -> None:
    """Print FILE, or an empty configuration, with every default that it leaves unsaid; what has none is a comment."""
    given = loaded(file) if file else {}
    if file:
        check(file, given, _options())
    plugins = given.pop("plugins", {})
    for name, option in _options().items():
        value = given.pop(name, None if option.multiple else option.to_info_dict().get("default"))
        click.echo(f"# {option.help or 'The layers from first to last.'}")
        click.echo(
            f"# {name} ="
            if value in (None, (), []) or "Sentinel" in type(value).__name__
            else f"{name} = {_toml(value)}"
        )
    if plugins:
        click.echo("\n[plugins]\n" + "\n".join(f"{key} = {_toml(value)}" for key, value in plugins.items()))


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
