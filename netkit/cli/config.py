"""`netkit schema` and `netkit config fill`: what a TOML configuration may say, and all that it leaves unsaid."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from netkit.cli.options import configured

__all__ = ["config", "schema"]


@click.command()
def schema() -> None:
    """Print a JSON Schema of the TOML configuration, with every installed component and its settings."""
    from netkit.cli.schema import json_schema
    from netkit.cli.terminal import listening

    click.get_current_context().with_resource(listening())
    click.echo(json.dumps(json_schema(), indent=2))


@click.group()
def config() -> None:
    """Configurations in TOML."""


@config.command()
@click.argument("file", required=False)
def fill(file: str | None) -> None:
    """Print FILE, or an empty configuration, with every default that it leaves unsaid; what has none is a comment."""
    from netkit.cli.schema import filled
    from netkit.registry.requirements import following
    from netkit.tables.settings import rules_in

    given = configured(file)
    with following(rules_in(given)):
        settings = [*filled(given)]
    for name, about, value in settings:
        if name == "plugins":
            lines = [f"{key} = {_toml(each)}" for key, each in (value or {}).items()]
            click.echo("\n".join(["", "[plugins]", *lines]) if lines else "", nl=bool(lines))
        else:
            click.echo(f"# {about}\n" + (f"# {name} =" if value in (None, (), [], {}) else f"{name} = {_toml(value)}"))


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
