"""Every option of training on a table, once: its rule, its default, what it does.

The options of the command, the keys of a configuration and their JSON Schema, the arguments of `netkit.train` and the
rules of `resume` are all read off `Settings`.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache, reduce
from numbers import Integral, Real
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from netkit import spec
from netkit.errors import NetkitError, SettingError, nearest
from netkit.kinds import Activation, Component, Encoder, Layer, Loss, Metric, Optimizer, Reader, Reporter, Schedule
from netkit.registry import current
from netkit.registry.requirements import Plugins

__all__ = [
    "Option",
    "Settings",
    "Task",
    "from_text",
    "hints",
    "kind_of",
    "options",
    "own_loss",
    "own_optimizer",
    "parts",
    "read",
    "rules_in",
]

Task = Literal["binary", "multiclass", "regression"]
SIZE = r"^\s*(\d{1,15}(?:\.\d{1,15})?)\s*([kKmMgGtT]?)(i?)[bB]\s*$"
"""Bytes: a number and a unit; with an i the unit is a power of 1024."""
INTERVAL = r"^\s*([1-9]\d{0,8})\s*(s|min|h|)\s*$"
"""So many seconds, minutes or hours; without a unit, epochs."""

Units = Annotated[int, Meta(ge=1)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Positive = Annotated[float, Meta(gt=0)]
Name = Annotated[str, Meta(min_length=1)]
Hidden = tuple[Units | Layer, ...]
Bytes = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=SIZE)]
Interval = Units | Annotated[str, Meta(pattern=INTERVAL)]


@dataclass(frozen=True)
class Option:
    """What a setting is to people: its help, what stands for its value, and how else it may be written."""

    help: str
    metavar: str = ""
    reader: Callable[[Any], Any] | None = None
    """Makes the value of what people write. Raises `SettingError` with the rule."""
    accepts: Any = None
    """The type of what they write, where it is another than the value's."""
    free: bool = False
    """Whether it may differ when a run is resumed; all else would make it another run."""
    model: bool = False
    """Whether it says what the model is: one that is trained on keeps it."""
    path: bool = False
    """Whether it may name a file or a folder."""
    offered: bool = True
    """Whether the command has an option for it that its help shows."""


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(";" if ";" in value or ":" in value else ",")]
        value = [int(part) if re.fullmatch("-?[0-9]{1,99}", part) else part for part in parts if part]
    if isinstance(value, int) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise SettingError(f"layers read 64,32, got {value!r}")
    for number, part in enumerate(value):
        if isinstance(part, bool) or not isinstance(part, (Integral, str, Mapping, Layer)):
            raise SettingError(f"[{number}]: a number of units or a layer is needed, got {part!r}")
        if isinstance(part, Integral) and int(part) < 1:
            raise SettingError(f"[{number}]: a layer has at least 1 unit, got {part}")
    return tuple(value)


def _path(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _columns(value: Any) -> Any:
    from netkit.tables.encoders import column_types  # it needs pyarrow, and the help of a command does not

    return column_types(value)


def _validation(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and not value.strip()):
        raise SettingError(f"a share of the rows or a table is needed, got {value!r}")
    try:
        number = float(value) if isinstance(value, str) else value
    except ValueError:
        return value  # a path
    return spec.setting("validation", Share, number) if isinstance(number, Real) else _path(value)


def _memory(value: Any) -> Any:
    found = re.match(SIZE, value) if isinstance(value, str) else None
    if found:
        return int(float(found[1]) * (1024 if found[3] else 1000) ** "_KMGT".index(found[2].upper() or "_"))
    if isinstance(value, int) and not isinstance(value, bool):  # a checkpoint has the bytes
        return value
    raise SettingError(f"a size such as 512MB, 2GB or 800MiB is needed, got {value!r}")


def _every(value: Any) -> Any:
    text = "" if isinstance(value, bool) else str(value).strip()
    if not re.match(INTERVAL, text):
        raise SettingError(f"30s, 5min, 2h or a number of epochs is needed, got {value!r}")
    return text


def _several(value: Any) -> Any:
    return [value] if isinstance(value, (str, Mapping, Component)) else value


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train on a table. Components are names, texts such as `adam:beta1=0.8`, tables or instances."""

    target: Annotated[Name, Option("The column to predict.", "COLUMN", model=True)]
    task: Annotated[Task | None, Option("Else read off the target.", model=True)] = None
    columns: Annotated[
        dict[str, Encoder | Literal["skip"]],
        Option(
            "How columns become inputs: by an encoder such as NAME:setting=value, or skip.",
            "COLUMN=ENCODER,...",
            _columns,
            str | dict[str, Encoder | Literal["skip"]],
            model=True,
        ),
    ] = field(default_factory=dict)
    separator: Annotated[str | None, Option("Between columns of a CSV file; by default a comma.", "CHARACTER")] = None
    decimal: Annotated[str | None, Option("Of a CSV file; by default a point.", "CHARACTER")] = None
    reader: Annotated[Reader | None, Option("Such as NAME:setting=value; by default by suffix or URI.")] = None
    hidden: Annotated[
        Hidden,
        Option("Units of the hidden layers; '' for none.", "UNITS,...", _hidden, str | Units | Hidden, model=True),
    ] = (100,)
    layers: Annotated[
        tuple[Layer, ...],
        Option("All layers, instead of hidden and activation.", "LAYER;...", _hidden, offered=False, model=True),
    ] = ()
    activation: Annotated[Activation | None, Option("Of the hidden layers.", model=True)] = None
    loss: Annotated[Loss | None, Option("What to make small; by default the one for the task.", model=True)] = None
    optimizer: Annotated[Optimizer | None, Option("Such as NAME:setting=value.")] = None
    metric: Annotated[tuple[Metric, ...], Option("What to show; may be repeated.", reader=_several)] = ()
    alpha: Annotated[Positive | None, Option("Learning rate; by default the optimizer's own.")] = None
    schedule: Annotated[Schedule | None, Option("How the learning rate changes; by default it stays.")] = None
    average: Annotated[
        Share | None,
        Option("Decay of an exponential moving average of the parameters, such as 0.999, to validate and keep."),
    ] = None
    batch: Annotated[int, Meta(ge=1), Option("Rows a step.")] = 32
    epochs: Annotated[int, Meta(ge=1), Option("Passes over the training rows.", free=True)] = 100
    validation: Annotated[
        Any,
        Option(
            "Share of rows held out, 0 for none; or a table of its own.",
            "SHARE|FILE",
            _validation,
            Share | str,
            path=True,
        ),
    ] = 0.1
    group: Annotated[
        Name | None, Option("Hold out whole groups of rows: a column that is no input, such as the patient.", "COLUMN")
    ] = None
    weights: Annotated[
        Name | None,
        Option("Sample weights in the loss: a column that is no input. Metrics count all rows alike.", "COLUMN"),
    ] = None
    balanced: Annotated[
        bool, Option("Let all classes count alike in the loss: rows weigh n / (classes * rows of their class).")
    ] = False
    patience: Annotated[
        Units | None, Option("Stop after so many epochs without a better one; by default never.", free=True)
    ] = None
    clip: Annotated[Positive | None, Option("Scale gradients down to this norm; by default never.")] = None
    log: Annotated[
        Name | None, Option("Where a line of JSON for each epoch goes.", "FILE", _path, free=True, path=True)
    ] = None
    report: Annotated[
        tuple[Reporter, ...], Option("Who is told of the run; may be repeated.", reader=_several, free=True)
    ] = ()
    checkpoint: Annotated[
        Name | None,
        Option("Where the run is saved while it trains, to be resumed.", "FOLDER", _path, free=True, path=True),
    ] = None
    every: Annotated[
        str, Option("How often: 30s, 5min, 2h, or a number of epochs.", "INTERVAL", _every, Interval, free=True)
    ] = "5min"
    keep: Annotated[int, Meta(ge=1), Option("Checkpoints that stay.", free=True)] = 3
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Option("Of the operands of large products; bfloat16 is faster and right to three digits."),
    ] = "float32"
    memory: Annotated[
        int | None,
        Option("All that may be taken, such as 2GB; by default what the table needs.", "SIZE", _memory, Bytes),
    ] = None
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1), Option("Same seed, same model.")] = 0
    out: Annotated[Name | None, Option("Where the model goes.", "FILE", _path, free=True, path=True)] = None
    quiet: Annotated[bool, Option("No progress bar.", free=True)] = False
    plugins: Annotated[
        Plugins, Option("Which plugins to require, prefer and disable.", reader=Plugins.of, free=True, offered=False)
    ] = Plugins()

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Settings:
        """From what people wrote. Raises `SettingError` with every mistake at once."""
        values, wrong = read(given)
        if "target" not in given:
            wrong.append(SettingError("target: the column to predict is needed"))
        _refuse(wrong)
        return cls(**values)

    @property
    def known_task(self) -> str | None:
        """The task that was chosen, by itself or by the loss. Raises `SettingError` where they do not agree."""
        if self.loss is not None and self.task not in (None, self.loss.task):
            raise SettingError(f"task: {spec.name(self.loss)} is for {self.loss.task}, got {self.task}")
        return self.loss.task if self.loss else self.task

    @property
    def share(self) -> float:
        """The share of the rows that is held out; 0 where a table of its own validates, or nothing."""
        return self.validation if isinstance(self.validation, float) else 0.0

    @property
    def roles(self) -> dict[str, str]:
        """The columns that say something about rows and are no inputs, by what they are for. Raises `SettingError`."""
        named = {"weights": self.weights, "group": self.group}
        roles = {role: name for role, name in named.items() if name is not None}
        for role, name in roles.items():
            if name == self.target:
                raise SettingError(f"{role}: another column than the target is needed, got {name!r}")
        if self.group is not None and not self.share:
            said = f"validation is {_plain(self.validation)}"
            raise SettingError(f"group: groups are held out by a share of the rows, {said}")
        return roles

    def changed(self, given: Mapping[str, Any]) -> Settings:
        """The same with what a resumed run may have otherwise. Raises `SettingError` for what would be another run."""
        values, wrong = read(given)
        for name, value in values.items():
            before = getattr(self, name)
            if not (options()[name].free or _as_begun(name, value, before)):
                said = f"with {_plain(before, spec.text)!r}, got {_plain(value, spec.text)!r}"
                wrong.append(SettingError(f"{name}: a resumed run goes on as it was begun, {said}"))
        if self.schedule and values.get("epochs", self.epochs) != self.epochs:
            said = f"the schedule of the run goes by its {self.epochs}, got {values['epochs']}"
            wrong.append(SettingError(f"epochs: {said}"))
        _refuse(wrong)
        return replace(self, **values)

    def loss_for(self, task: str) -> Loss:
        """The loss that was chosen, or netkit's own for a task."""
        return self.loss or own_loss(task)

    def to_json(self) -> dict[str, Any]:
        """Plain data of which `of` makes the same settings."""
        left_out = ("plugins", "checkpoint")
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self) if each.name not in left_out}


def own_loss(task: str) -> Loss:
    """netkit's own loss for a task."""
    loss: Loss = spec.make("loss", current().losses.first(lambda loss: loss.task == task))
    return loss


def own_optimizer() -> Optimizer:
    """The optimizer where nobody chose: netkit's first whose learning rate suits most tables."""
    optimizer: Optimizer = spec.make("optimizer", current().optimizers.first(lambda optimizer: optimizer.adaptive))
    return optimizer


@cache
def hints() -> dict[str, Any]:
    """The type of each setting, with its rules."""
    return typing.get_type_hints(Settings, include_extras=True)


@cache
def options() -> dict[str, Option]:
    """What each setting is to people, by its name."""
    return {
        name: next(each for each in typing.get_args(hint) if isinstance(each, Option)) for name, hint in hints().items()
    }


def rules_in(given: Mapping[str, Any]) -> Plugins:
    """What settings say about plugins, by which all else in them is read; nothing where that cannot be read."""
    values, _ = read({name: value for name, value in given.items() if name == "plugins"})
    rules: Plugins = values.get("plugins", Plugins())
    return rules


def from_text(name: str, text: str) -> Any:
    """What people write for a setting on a command line: a number where that may be one."""
    if {int, float} & set(parts(hints()[name])) and options()[name].reader is None:
        for number in (int, float):
            with suppress(ValueError):
                return number(text)
    return text


def kind_of(name: str) -> str | None:
    """The kind of component that a setting holds, or a list of them; None for any other."""
    kinds = [each.kind for each in parts(hints()[name]) if isinstance(each, type) and issubclass(each, Component)]
    return kinds[0] if kinds else None


def parts(hint: Any) -> list[Any]:
    """A hint and what it consists of, down to the words of a choice."""
    inner = [] if typing.get_origin(hint) is Literal else typing.get_args(hint)
    return [hint, *(part for each in inner for part in parts(each))]


def read(given: Mapping[str, Any]) -> tuple[dict[str, Any], list[NetkitError]]:
    """The values of settings, and every mistake in what people wrote for them."""
    values: dict[str, Any] = {}
    wrong: list[NetkitError] = []
    for name, value in given.items():
        try:
            if name not in options():
                raise SettingError(f"there is no setting {name!r}{nearest(name, options())}")
            values[name] = _value(name, value)
        except NetkitError as error:
            wrong.append(error)
    return values, wrong


def _value(name: str, value: Any) -> Any:
    reader = options()[name].reader
    try:
        return spec.setting(name, _rule(name, value), value if reader is None or value is None else reader(value))
    except NetkitError as error:
        if str(error).startswith((f"{name}:", f"{name}[")):
            raise
        raise type(error)(f"{name}{'' if str(error).startswith('[') else ': '}{error}") from None


def _rule(name: str, value: Any) -> Any:
    """The hint without what is for people, and of a value that is there without None: it would be in the message."""
    hint, *rules = typing.get_args(hints()[name])
    if any(isinstance(each, Meta) for each in rules):
        return hints()[name]
    if value is None or typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    return reduce(or_, (each for each in typing.get_args(hint) if each is not types.NoneType))


def _refuse(wrong: list[NetkitError]) -> None:
    """Raise one error that says what all of them say."""
    if wrong:
        raise wrong[0] if len(wrong) == 1 else SettingError("; ".join(map(str, wrong)))


def _as_begun(name: str, value: Any, before: Any) -> bool:
    """Whether a setting is as it was. A table that validates may lie elsewhere: the run looks at its rows."""
    if name != "validation" or isinstance(value, float) and isinstance(before, float):
        return bool(value == before)
    return not isinstance(value, float) and not isinstance(before, float)


def _plain(value: Any, component: Callable[[Component], Any] = spec.table) -> Any:
    """As JSON would give it back; the type alone of a table in memory."""
    if isinstance(value, Component):
        return component(value)
    if isinstance(value, (list, tuple)):
        return [_plain(each, component) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each, component) for key, each in value.items()}
    return value if isinstance(value, (str, int, float, types.NoneType)) else type(value).__name__
