"""`netkit describe`: what a model file says about itself, without loading torch or any plugin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import metadata
from math import prod
from pathlib import Path
from typing import Any

import click

from netkit.cli.terminal import say
from netkit.engine.scores import compared_parts
from netkit.files.checkpoint import is_checkpoint, read_state
from netkit.files.header import Header, read_header
from netkit.files.provenance import Source
from netkit.registry.guard import printable
from netkit.registry.info import RUN_TIME

__all__ = ["describe"]


@click.command()
@click.argument("model")
@click.option(
    "--plan", is_flag=True, help="Instead, how a training step runs here: every call, its route, and the memory."
)
@click.option("--batch", type=click.IntRange(min=1), default=32, show_default=True, help="Rows a step, for --plan.")
def describe(model: str, plan: bool, batch: int) -> None:
    """Show the layers, shapes, parameters, plugins and data columns of a saved model, how it was trained and what it
    scored; or of a checkpoint, how its run was begun and where it stands."""
    if plan:
        for line in _plan(model, batch):
            _say(line)
        return
    if is_checkpoint(model):
        _checkpoint(Path(model))
        return
    header = read_header(model)
    total = sum(prod(shape) for name, shape in header.tensors.items() if name not in header.state)
    _say(f"{model}: netkit {header.netkit}, {header.dtype}, {total} parameters, inputs {_shape(header.in_shape)}")
    for number, layer in enumerate(header.layers):
        own = {name: shape for name, shape in header.tensors.items() if name.startswith(f"{number}.")}
        shapes = "  ".join(f"{name} {_shape(shape)}" for name, shape in sorted(own.items()))
        _say(f"  layer {number}: {_component(layer)}  {shapes}".rstrip())
    _say(f"  loss: {_component(header.loss)}")
    _plugins(header.components)
    _columns(header)
    _told("trained with", header.training)
    if header.scores:
        for line in compared_parts(header.scored, "validation" if "validation" in header.scores else "training"):
            _say(line)


def _checkpoint(path: Path) -> None:
    state, _ = read_state(path)
    counts = state.counts
    best = f", the best of them {counts['best_epoch']}" if counts["best_epoch"] else ""
    rows = f" and {counts['row']} rows" if counts["row"] else ""
    _say(f"{path}: netkit {state.netkit}, a run after {counts['epoch']} epochs{rows}{best}")
    _told("begun with", {name: value for name, value in state.began.options.items() if value not in (None, [], {})})
    _plugins(state.began.components)


def _told(head: str, settings: Mapping[str, Any]) -> None:
    told = [f"{name} {_component(value)}" for name, value in settings.items() if name != "baseline"]
    if told:
        _say(f"{head} {', '.join(told)}")


def _plugins(components: Mapping[str, Source]) -> None:
    _say("from plugins")
    for name, source in components.items():
        absent = "" if _installed(source.distribution) else ", which is not installed"
        _say(f"  {source.kind} {name} ({source.distribution} {source.version}".rstrip() + f"){absent}")


def _installed(distribution: str) -> bool:
    """Whether a distribution is here; what was registered by hand nobody can tell."""
    try:
        return distribution == RUN_TIME or bool(metadata.version(distribution))
    except metadata.PackageNotFoundError:
        return False


def _plan(path: str, batch: int) -> Iterator[str]:
    from netkit.engine.program.plan import plan_text
    from netkit.model import load

    model = load(path)
    return plan_text(model.network, model.loss, batch)


def _columns(header: Header) -> None:
    if header.target is not None:
        _say(f"target: {header.target.get('name')} ({header.target.get('task')})")
    if header.features is not None:
        _say("columns")
        columns = header.features.get("columns")
        for column in columns if isinstance(columns, list) else []:
            _say(f"  {column.get('name')}: {_encoder(column)}" if isinstance(column, Mapping) else f"  {column}")


def _encoder(column: Mapping[str, Any]) -> str:
    """How a column becomes inputs; models of 0.1 have a name for that."""
    return _component(column.get("encoder", column.get("type")))


def _say(line: str) -> None:
    """What a file says reaches a terminal without characters that steer it, on its own line."""
    say(printable(line, None, keep_spaces=True))


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _component(table: Any) -> str:
    """A component's table as text with bare names, and those in it."""
    if isinstance(table, list):
        return f"[{', '.join(map(_component, table))}]"
    if not isinstance(table, Mapping):
        return "none" if table is None else str(table)
    settings = [f"{key}={_component(value)}" for key, value in table.items() if key != "type" and value is not None]
    name = str(table.get("type", "?")).rpartition("/")[2]
    return f"{name}({', '.join(settings)})" if settings else name
