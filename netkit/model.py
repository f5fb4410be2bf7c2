"""The familiar face: layers and a loss, then fit, predict and save."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from netkit import spec
from netkit.engine.decisions import decide
from netkit.engine.exclusive import training_alone
from netkit.engine.gradient_check import GradientCheck, check_gradients
from netkit.engine.history import History
from netkit.engine.network import Network
from netkit.engine.program.predict import predictor
from netkit.engine.progress import check_callbacks, shown, with_callbacks
from netkit.engine.recipe import Recipe
from netkit.engine.reporting import reporting
from netkit.engine.rows import Rows
from netkit.engine.scoring import evaluate
from netkit.engine.spot_check import spot_check
from netkit.engine.summary import line, summary
from netkit.engine.targets import check_head, make_metrics, targets_for, weights_for
from netkit.engine.text_table import TextTable
from netkit.engine.training import Run
from netkit.errors import ModelFileError, NetkitError, SettingError, ShapeError
from netkit.files import tensor_file
from netkit.files.header import Header, header_of, read_header
from netkit.files.kept import KeptModel
from netkit.files.limit import Bounded
from netkit.files.model_file import write_model
from netkit.files.provenance import absent, changes, types
from netkit.kinds import Epoch, Loss, Reporter, Shape
from netkit.registry.culprit import naming_plugins
from netkit.registry.discovery import DISTRIBUTION
from netkit.registry.guard import cause, printable
from netkit.tensors import floats, generator, within_memory

__all__ = ["Model", "load"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}
LAYERS = 10_000
"""More would take minutes to build, and whoever loads a file should not wait for it."""


def _parts(validation: Any) -> tuple[Any, ...]:
    """x, y and perhaps weights. Raises `SettingError` for anything else."""
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        got = f"{len(validation)} of them" if isinstance(validation, (tuple, list)) else type(validation).__name__
        raise SettingError(f"validation: (x, y) or (x, y, weights) is needed, got {got}")
    return tuple(validation)


class Model:
    """A feed-forward network and the loss it learns from.

    layers: components, names or tables, the first next to the data. loss: likewise. dtype: "float32" or "float64".
    Everything random (starting weights, shuffling, dropout) follows from `seed`. The network is built here when the
    first layer says its input size, else on the first data. Raises `UnknownComponent`, `SettingError`, `ShapeError`.
    """

    def __init__(
        self, layers: Sequence[Any], loss: Any, *, seed: int = 0, dtype: Any = "float32", device: str = "cpu"
    ) -> None:
        if not 0 < len(layers) <= LAYERS:
            raise SettingError(f"Model: 1 to {LAYERS} layers are needed, got {len(layers)}")
        self.layers = [spec.make("layer", layer) for layer in layers]
        self.loss: Loss = spec.make("loss", loss)
        for layer in self.layers:
            if layer.activation is not None:
                spec.make("activation", layer.activation)
        name = str(dtype).removeprefix("torch.")
        if name not in DTYPES:
            raise SettingError(f"dtype: {' or '.join(DTYPES)} is needed, got {dtype!r}")
        self.dtype, self.device, self.seed = DTYPES[name], device, seed
        self._weights, self._shuffling, self._noise = (generator(seed, stream) for stream in range(3))
        self._network: Network | None = None
        if (shape := self.layers[0].in_shape) is not None:
            self.build(shape)

    def __repr__(self) -> str:
        return line(self._network, self.layers, self.loss)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()

    @naming_plugins
    def summary(self) -> TextTable:
        """The layers with their settings, the shapes of their outputs and the numbers of their parameters, as a table:
        `print(model.summary())`."""
        return summary(self._network, self.layers, self.loss)

    @property
    def network(self) -> Network:
        """The built network. Raises `ShapeError` before the input size is known."""
        if self._network is None:
            raise ShapeError("Model: the input size is not known yet: give the first layer's, or fit first")
        return self._network

    @naming_plugins
    def build(self, in_shape: Shape) -> Network:
        """Build the network for rows of this shape, once."""
        if self._network is None:
            with within_memory(f"network: layers for rows of shape {tuple(in_shape)}"):
                network = Network(self.layers, in_shape, self._weights, self.dtype, self.device)
            check_head(network, self.loss)
            self._network = network
        return self._network

    def parameters(self) -> Mapping[str, Tensor]:
        """Every parameter by name, such as "0.W" (inputs, units): views, so writing into one changes the model."""
        return self.network.parameters()

    @naming_plugins
    def forward(self, x: Any) -> Tensor:
        """The last layer's outputs, (n, units)."""
        if type(x) is Tensor and self._network is not None:
            outputs = predictor(self._network).row(x)
            if outputs is not None:
                return outputs
        inputs = self._inputs(x)
        return predictor(self.network).predict(inputs)

    def predict(self, x: Any) -> Tensor:
        """0/1 (at least 0.5 is 1) for a binary loss, class probabilities for a multiclass one, else the values."""
        outputs = self.forward(x)
        return outputs if self.loss.task == "multiclass" else decide(self.loss, outputs)

    @naming_plugins
    def fit(
        self,
        x: Any,
        y: Any,
        batch: int = 32,
        alpha: float | None = None,
        epochs: int = 100,
        *,
        optimizer: Any = None,
        shuffle: bool = True,
        validation: tuple[Any, ...] | None = None,
        weights: Any = None,
        metrics: Sequence[Any] | None = None,
        keep_best: bool = False,
        patience: int | None = None,
        clip: float | None = None,
        schedule: Any = None,
        schedules: Mapping[str, Any] | None = None,
        average: float | None = None,
        callbacks: Sequence[Callable[[Epoch], Any]] = (),
        reporters: Sequence[Any] = (),
        progress: bool = True,
        plan: bool = True,
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> History:
        """Learn from rows x and targets y; returns one record of losses and metrics for each epoch, as a list that can
        be plotted.

        x: (n, ...). y: values (n, ...), 0/1, one-hot rows or class numbers, as the loss needs.
        batch: rows a step. epochs: times to go through all rows.
        alpha: learning rate, the optimizer's own by default.
        optimizer: plain gradient descent by default.
        shuffle: take the rows in another order in each epoch.
        validation: (x, y) or (x, y, weights), the validation set that every epoch is scored on.
        weights: sample weights (n,), what rows count in the loss, scaled to a mean of one; metrics count all alike.
        metrics: those that belong to the loss by default.
        keep_best: end with the weights of the best epoch.
        patience: early stopping, after so many epochs without a better one.
        clip: scale gradients down to this norm.
        schedule: how the learning rate changes on the way.
        schedules: how other numbers do: {"weight_decay": ...} step by step, and settings of layers from epoch to epoch
        by place and name, such as {"1.rate": "cosine"}.
        average: decay of the exponential moving average of the parameters, such as 0.999, which is scored and left
        behind instead of the last ones.
        callbacks: each is called with the record of every epoch, while the model has the parameters that it speaks of;
        one that returns True ends the run, and so does what one raises.
        reporters: each is told of the run from its start to its end; what one raises is told once and stops nobody.
        progress: show a bar on stderr.
        plan: False runs the steps as they read in `netkit.engine.training`, slower; the numbers differ by rounding.
        precision: "bfloat16" rounds the operands of large products to 8 bits, each off by up to 0.4 percent: faster,
        for networks that bear it.

        Raises `DataError`, `ShapeError`, `SettingError`, `UnknownComponent`, `PluginError` from what a stranger's
        component raises, `DivergenceError`, after which the model has its last finite weights, and `NetkitError` while
        the model is being trained by another call.
        """
        check_callbacks(callbacks)
        recipe = Recipe(
            batch=batch,
            epochs=epochs,
            alpha=alpha,
            optimizer=optimizer,
            shuffle=shuffle,
            keep_best=keep_best,
            plan=plan,
            patience=patience,
            clip=clip,
            precision=precision,
            schedule=schedule,
            schedules=dict(schedules or {}),
            average=average,
        )
        told = spec.setting("reporters", tuple[Reporter, ...], reporters)
        metrics_by_name = make_metrics(self.loss, metrics)
        rows, validation_rows = self._rows(x, y, weights), None
        if validation is not None:
            validation_rows = self._rows(*_parts(validation))
        network = self.network
        with training_alone(network):
            spot_check(network, self.loss, rows)
            run = Run(network, self.loss, rows, recipe, self._shuffling, self._noise, metrics_by_name, validation_rows)
            with (
                reporting(run, told, {**vars(recipe), "seed": self.seed}) as heard,
                closing(run.epochs()) as records,
                closing(shown(heard.epochs(records), recipe.epochs, progress)) as epochs_shown,
            ):
                return History(with_callbacks(epochs_shown, callbacks))

    @naming_plugins
    def evaluate(self, x: Any, y: Any, metrics: Sequence[Any] | None = None, weights: Any = None) -> dict[str, float]:
        """The mean loss and the metrics on these rows; weights (n,) are what each row counts in the loss."""
        return evaluate(self.network, self.loss, self._rows(x, y, weights), make_metrics(self.loss, metrics))

    @naming_plugins
    def check_gradients(self, x: Any, y: Any, weights: Any = None, most: int = 100) -> GradientCheck:
        """Every gradient of a training step on these rows against finite differences of the loss, as a table.

        It has `ok`, and by the name of each parameter the largest difference. The network is copied in float64, and
        passes as in training; dropout leaves out the same in every pass. most: elements of a parameter that are
        checked, spread evenly, each by four forward passes. Raises `ShapeError`, `DataError`, `SettingError`.
        """
        if type(most) is not int or most < 1:
            raise SettingError(f"most: a whole number of at least 1 is needed, got {most!r}")
        rows = self._rows(x, y, weights)
        return check_gradients(self.network, self.loss, rows, self.seed, most)

    def save(self, path: str | Path, **about: Any) -> None:
        """Write the model to one file, whole or not at all; `netkit.load(path)` reads it. about: further fields of its
        header. Raises `DataError` when the path cannot be written, `UnknownComponent` for a part that was never
        registered.
        """
        network, dtype = self.network, str(self.dtype).removeprefix("torch.")
        about |= {"state": sorted(network.states())}
        header = header_of(network.layers, self.loss, network.in_shape, dtype, self.seed, **about)
        write_model(path, header, network.parameters() | network.states())

    def _rows(self, x: Any, y: Any, weights: Any = None) -> Rows:
        inputs = self._inputs(x)
        target = floats("y", y, self.network.params)
        if len(target) != len(inputs):
            raise ShapeError(f"y: {len(target)} rows do not match x's {len(inputs)}")
        weight = None if weights is None else weights_for(len(inputs), weights).to(inputs)
        return Rows(inputs, targets_for(self.network, self.loss, target), weight)

    def _inputs(self, x: Any) -> Tensor:
        rows = floats("x", x, torch.empty(0, dtype=self.dtype, device=self.device))
        network = self.build(tuple(rows.shape[1:]))
        if tuple(rows.shape[1:]) != network.in_shape:
            expected = ", ".join(["n", *map(str, network.in_shape)])
            raise ShapeError(f"x: rows of shape ({expected}) are needed, got {tuple(rows.shape)}")
        return rows


def load(path: str | Path, missing: str = "refuse") -> Any:
    """The `Model` in a file; with missing="keep" a `KeptModel` where a component of it is not installed, or not such
    that the network can be built.

    Raises `ModelFileError`: not a model, damaged, of a newer format, or a plugin is missing; `SettingError`.
    """
    if missing not in ("refuse", "keep"):
        raise SettingError(f"missing: refuse or keep is needed, got {missing!r}")
    header = read_header(path)
    reason = absent(header.components, header.parts)
    if reason and missing == "refuse":
        raise ModelFileError(f"{path}: {reason}")
    tensors = tensor_file.content(path)
    try:
        if not reason:
            return _loaded(path, header, tensors)
    except ModelFileError as error:
        if missing == "refuse":
            raise
        reason = str(error).removeprefix(f"{path}: ")
    return KeptModel(header, tensor_file.read_head(path)[0], tensors, f"{path}: {reason}")


def _loaded(path: str | Path, header: Header, tensors: dict[str, Tensor]) -> Model:
    try:
        numbers = sum(value.numel() for value in tensors.values())
        most, parts = 4 * (LAYERS + len(tensors)), sum(1 for _ in types([*header.layers]))
        if parts > most:
            raise ModelFileError(f"its {len(tensors)} tensors allow {most} layers and parts of layers, got {parts}")
        with Bounded(2**22 + 2**12 * len(header.layers) + 16 * numbers, calls=64 * (len(header.layers) + len(tensors))):
            model = Model(header.layers, header.loss, seed=header.seed, dtype=header.dtype)
            network = model.build(header.in_shape)
            network.fresh = False
            parameters = network.parameters() | network.states()
    except (Exception, SystemExit) as error:
        reason = str(error) if isinstance(error, (NetkitError, RuntimeError)) else cause(error)
        changed = "".join(f"; {said}: pip install '{dist}=={old}'" for dist, old, said in changes(header.components))
        raise ModelFileError(f"{path}: its network cannot be built: {printable(reason, limit=None)}{changed}") from None
    if model.network.in_shape != header.in_shape:
        raise ModelFileError(f"{path}: its layers take rows of {model.network.in_shape}, not {header.in_shape}")
    shapes = {name: tuple(view.shape) for name, view in parameters.items()}
    if (found := {name: tuple(value.shape) for name, value in tensors.items()}) != shapes:
        name = min(each for each in {*found, *shapes} if found.get(each) != shapes.get(each))
        had, needed = (each.get(name, "none") for each in (found, shapes))
        raise ModelFileError(f"{path}: its tensors do not fit its layers: {name}: {needed} is needed, got {had}")
    with torch.no_grad():
        for name, view in parameters.items():
            view.copy_(tensors[name])
    for distribution, _, said in changes(header.components):
        if distribution != DISTRIBUTION:  # its own changes are told by the format
            warnings.warn(f"{path}: {said}", stacklevel=3)
    return model
