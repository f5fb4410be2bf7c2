"""`--checkpoint`, `--every` and `--resume`: when a run is saved, and how it is begun again."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec
from click.core import ParameterSource

from netkit.cli.toml_file import apply_plugins, options_of, problems
from netkit.tables.interruption import Signals

if TYPE_CHECKING:
    from netkit.engine.training import Run
    from netkit.files.checkpoint import Began

__all__ = ["Every", "Saver", "began", "read_checkpoint", "refuse_changes"]

SECONDS = {"s": 1, "min": 60, "h": 3600}
FREE = ("data", "epochs", "patience", "out", "log", "quiet", "checkpoint", "every", "keep", "resume", "config")
"""What may differ when a run is taken up again; all else would make it another run. The table may have moved."""
PATHS = ("data", "out", "log", "validation")


class _Interval(NamedTuple):
    """So many seconds, or so many epochs."""

    seconds: float | None
    epochs: int | None


class Every(click.ParamType):  # type: ignore[type-arg]
    """An interval: `5min`, `30s`, `2h`, or a number of epochs."""

    name = "interval"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = "" if isinstance(value, bool) else str(value).strip()
        if _interval(text) is None:
            self.fail(f"30s, 5min, 2h or a number of epochs is needed, got {value!r}", param, ctx)
        return text


def _interval(text: str) -> _Interval | None:
    found = re.fullmatch(r"([1-9]\d{0,8})\s*(s|min|h|)", text)
    if found is None:
        return None
    number, unit = int(found[1]), found[2]
    return _Interval(number * SECONDS[unit], None) if unit else _Interval(None, number)


class Saver:
    """What a run calls whenever it is at rest: writes a checkpoint when it is time, or when somebody wants to stop."""

    def __init__(self, options: dict[str, Any], began: Began, signals: Signals) -> None:
        from netkit.files.checkpoint import Checkpoints

        folder = options["checkpoint"] or options["resume"]
        fresh = not options["resume"] or os.path.realpath(folder) != os.path.realpath(options["resume"])
        self._checkpoints = Checkpoints(folder, began, options["keep"], fresh) if folder else None
        self._every = _interval(options["every"]) or _Interval(None, 1)
        self._signals = signals
        self._last, self._epoch = time.monotonic(), 0
        self.last: Path | None = None
        """The checkpoint that was written last."""

    def __call__(self, run: Run) -> None:
        if self._checkpoints and (self._signals.came or self._due(run)):
            self.last = self._checkpoints.write(run)
            self._last, self._epoch = time.monotonic(), run.epoch
        self._signals.check()

    def _due(self, run: Run) -> bool:
        if run.over:
            return True
        if self._every.seconds is not None:
            return time.monotonic() - self._last >= self._every.seconds
        return not run.row and run.epoch - self._epoch >= (self._every.epochs or 1)


def began(ctx: click.Context) -> Began:
    """How this run was begun: every option, and what a configuration says of plugins."""
    from netkit.files.checkpoint import Began

    values = {
        name: _plain(value) for name, value in ctx.params.items() if name not in ("resume", "config", "checkpoint")
    }
    values |= {name: os.path.abspath(values[name]) for name in PATHS if isinstance(values[name], str)}
    return Began(values, ctx.find_root().meta.get("netkit.plugins", {}))


def read_checkpoint(ctx: click.Context, param: click.Parameter, folder: str | None) -> str | None:
    """Make what a run was begun with the defaults of the command."""
    if folder is None:
        return None
    from netkit.errors import ModelFileError
    from netkit.files.checkpoint import newest

    state, tensors, notes = newest(folder)
    for line in notes:
        click.echo(f"note: {line}", err=True)
    try:
        apply_plugins(ctx, folder, state.began.plugins)
    except msgspec.ValidationError as error:
        raise ModelFileError(f"{folder}: damaged checkpoint: plugins: {error}") from None
    options = {name: value for name, value in state.began.options.items() if value is not None}
    for name in options.keys() & (known := options_of(ctx.command)).keys():
        for _, said in problems(known[name], options[name]):
            raise ModelFileError(f"{folder}: cannot be resumed: {name}: {said}")
    ctx.meta["netkit.files.model_file"] = state, tensors
    ctx.default_map = {**(ctx.default_map or {}), **options}
    return folder


def refuse_changes(ctx: click.Context) -> None:
    """Raise `SettingError` for an option that would make the resumed run another run."""
    from netkit.errors import SettingError

    if ctx.params["config"]:
        raise SettingError("config: a resumed run goes on as it was begun, and takes no configuration")
    state, _ = ctx.meta["netkit.files.model_file"]
    if state.began.options.get("schedule") and ctx.params["epochs"] != state.began.options.get("epochs"):
        raise SettingError(
            f"epochs: the schedule of the run goes by its {state.began.options.get('epochs')}, got {ctx.params['epochs']}"
        )
    for name, value in ctx.params.items():
        given = ctx.get_parameter_source(name) in (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
        was = state.began.options.get(name)
        if name == "validation" and isinstance(value, str) and isinstance(was, str):
            continue  # a table of its own may have moved, as the other one
        if given and name not in FREE and _plain(value) != was:
            raise SettingError(f"{name}: a resumed run goes on as it was begun, with {was!r}, got {_plain(value)!r}")


def _plain(value: Any) -> Any:
    """As JSON would give it back."""
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value
