"""Every option of training on a table, once: its rule, its default, what it does.

The options of the command, the keys of a configuration and their JSON Schema, the arguments of `netkit.train` and the
rules of `resume` are all read off `Settings`.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any, Literal

from msgspec import Meta

from netkit import spec
from netkit.errors import NetkitError, SettingError, nearest
from netkit.kinds import Activation, Component, Encoder, Layer, Loss, Metric, Optimizer, Reader, Reporter, Schedule
from netkit.registry import current
from netkit.registry.requirements import Plugins
from netkit.tables import option
from netkit.tables.option import Bytes, Hidden, Interval, Name, Option, Positive, Share, Units

__all__ = [
    "HELD_OUT",
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
]

Task = Literal["binary", "multiclass", "regression"]
HELD_OUT = ("test", "validation")
"""What rows are held out for, in this order: the same rows test a model, however many of the others validate it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train on a table. Components are names, texts such as `adam:beta1=0.8`, tables or instances."""

    target: Annotated[Name, Option("The column to predict.", "COLUMN", model=True, heading="Data")]
    task: Annotated[Task | None, Option("Else read off the target.", model=True)] = None
    columns: Annotated[
        dict[str, Encoder | Literal["skip"]],
        Option(
            'How columns become inputs: by an encoder such as NAME:setting=value, or skip; "a,b"=skip has a comma.',
            "COLUMN=ENCODER,...",
            option.columns,
            str | dict[str, Encoder | Literal["skip"]],
            model=True,
        ),
    ] = field(default_factory=dict)
    separator: Annotated[str | None, Option("Between columns of a CSV file; by default a comma.", "CHARACTER")] = None
    decimal: Annotated[str | None, Option("Of a CSV file; by default a point.", "CHARACTER")] = None
    reader: Annotated[Reader | None, Option("Such as NAME:setting=value; by default by suffix or URI.")] = None
    hidden: Annotated[
        Hidden,
        Option(
            "Units of hidden layers, or layers as in 64;NAME:setting=value; '' for none.",
            "UNITS,...",
            option.hidden,
            str | Units | Hidden,
            model=True,
            heading="Network",
        ),
    ] = (100,)
    layers: Annotated[
        tuple[Layer, ...],
        Option("All layers, instead of hidden and activation.", "LAYER;...", option.hidden, offered=False, model=True),
    ] = ()
    activation: Annotated[Activation | None, Option("Of the hidden layers.", model=True)] = None
    loss: Annotated[Loss | None, Option("What to make small; by default the one for the task.", model=True)] = None
    optimizer: Annotated[Optimizer | None, Option("Such as NAME:setting=value.", heading="Training")] = None
    metric: Annotated[tuple[Metric, ...], Option("What to show; may be repeated.", reader=option.several)] = ()
    alpha: Annotated[Positive | None, Option("Learning rate; by default the optimizer's own.")] = None
    schedule: Annotated[Schedule | None, Option("How the learning rate changes; by default it stays.")] = None
    schedules: Annotated[
        dict[str, Schedule],
        Option(
            "How other numbers change: weight_decay, or settings of layers by place, such as 1.rate.",
            "NAME=SCHEDULE;...",
            option.schedules,
            str | dict[str, Schedule],
        ),
    ] = field(default_factory=dict)
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
            option.validation,
            Share | str,
            path=True,
            heading="Rows held out",
        ),
    ] = 0.1
    test: Annotated[
        Any,
        Option(
            "Share of rows to score the model on, which neither train it nor choose its epoch; or a table of its own.",
            "SHARE|FILE",
            option.test,
            Share | str,
            path=True,
        ),
    ] = 0.0
    group: Annotated[
        Name | None, Option("Hold out whole groups of rows: a column that is no input, such as the patient.", "COLUMN")
    ] = None
    weights: Annotated[
        Name | None,
        Option(
            "Sample weights in the loss: a column that is no input. Metrics count all rows alike.",
            "COLUMN",
            heading="Training",
        ),
    ] = None
    balanced: Annotated[
        bool, Option("Let all classes count alike in the loss: rows weigh n / (classes * rows of their class).")
    ] = False
    patience: Annotated[
        Units | None, Option("Stop after so many epochs without a better one; by default never.", free=True)
    ] = None
    clip: Annotated[Positive | None, Option("Scale gradients down to this norm; by default never.")] = None
    log: Annotated[
        Name | None,
        Option(
            "Where a line of JSON for each epoch goes.", "FILE", option.path, free=True, path=True, heading="Output"
        ),
    ] = None
    report: Annotated[
        tuple[Reporter, ...], Option("Who is told of the run; may be repeated.", reader=option.several, free=True)
    ] = ()
    checkpoint: Annotated[
        Name | None,
        Option("Where the run is saved while it trains, to be resumed.", "FOLDER", option.path, free=True, path=True),
    ] = None
    every: Annotated[
        str, Option("How often: 30s, 5min, 2h, or a number of epochs.", "INTERVAL", option.every, Interval, free=True)
    ] = "5min"
    keep: Annotated[int, Meta(ge=1), Option("Checkpoints that stay.", free=True)] = 3
    precision: Annotated[
        Literal["float32", "bfloat16"],
        Option("Of the operands of large products; bfloat16 is faster and right to three digits.", heading="Training"),
    ] = "float32"
    memory: Annotated[
        int | None,
        Option("All that may be taken, such as 2GB; by default what the table needs.", "SIZE", option.memory, Bytes),
    ] = None
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1), Option("Same seed, same model.")] = 0
    out: Annotated[
        Name | None, Option("Where the model goes.", "FILE", option.path, free=True, path=True, heading="Output")
    ] = None
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
    def shares(self) -> dict[str, float]:
        """The shares of the rows that are held out, each of what the one before it leaves, by what they are for."""
        held_out = {part: getattr(self, part) for part in HELD_OUT}
        return {part: share for part, share in held_out.items() if isinstance(share, float) and share}

    @property
    def tables(self) -> dict[str, Any]:
        """The tables of their own that are held out, by what they are for."""
        held_out = {part: getattr(self, part) for part in HELD_OUT}
        return {part: table for part, table in held_out.items() if not isinstance(table, float)}

    @property
    def roles(self) -> dict[str, str]:
        """The columns that say something about rows and are no inputs, by what they are for. Raises `SettingError`."""
        named = {"weights": self.weights, "group": self.group}
        roles = {role: name for role, name in named.items() if name is not None}
        for role, name in roles.items():
            if name == self.target:
                raise SettingError(f"{role}: another column than the target is needed, got {name!r}")
        if self.group is not None and not self.shares:
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
        if (self.schedule or self.schedules) and values.get("epochs", self.epochs) != self.epochs:
            said = f"the schedule of the run goes by its {self.epochs}, got {values['epochs']}"
            wrong.append(SettingError(f"epochs: {said}"))
        _refuse(wrong)
        return replace(self, **values)

    def loss_for(self, task: str) -> Loss:
        """The loss that was chosen, or netkit's own for a task."""
        return self.loss or own_loss(task)

    @property
    def chosen(self) -> dict[str, Any]:
        """What else than by default is chosen of how to train, as plain data; not what is shown."""
        by_default = {each.name: each.default for each in fields(self)}
        how = [name for name, option in options().items() if not (option.free or option.model or option.path)]
        values = {name: getattr(self, name) for name in how if name != "metric"}
        return {name: _plain(value) for name, value in values.items() if value and value != by_default[name]}

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
    """Whether a setting is as it was. A table of rows that are held out may lie elsewhere."""
    if name not in HELD_OUT or isinstance(value, float) and isinstance(before, float):
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
