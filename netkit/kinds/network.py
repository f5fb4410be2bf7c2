"""What a network consists of, and what it is judged by: activations, layers, losses and metrics."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from netkit.kinds.component import Call, Component, Params, Shape

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["Activation", "Layer", "Loss", "Metric"]


class Activation(Component):
    """A function f of the values z before it: a = f(z), (n, ...) to the same shape."""

    kind, plural = "activation", "activations"
    outputs: ClassVar[str] = "real"
    """What a holds: `real`, `unit` (each value in 0..1) or `simplex` (each row adds up to one)."""

    @abstractmethod
    def forward(self, z: Tensor) -> Tensor:
        """a = f(z)."""

    @abstractmethod
    def backward(self, grad: Tensor, z: Tensor, a: Tensor) -> Tensor:
        """dL/dz = J(z)^T grad, where grad = dL/da and a = forward(z)."""

    def check(self, shape: Shape) -> None:
        """Raise `ShapeError` when rows of this shape make no sense for f. Called once, when a network is built."""

    in_place: ClassVar[bool] = False
    """Whether the bound forms may be given one memory for z and a."""
    bind_forward: ClassVar[Callable[..., list[Call]] | None] = None
    """Optional method `bind_forward(z, a)`: calls that fill a."""
    bind_backward: ClassVar[Callable[..., list[Call]] | None] = None
    """Optional method `bind_backward(grad, z, a, dz)`: calls that fill dz, which may be the memory of grad."""


class Layer(Component):
    """A function of x with parameters. The engine keeps the parameters and applies `activation` to y afterwards."""

    kind, plural = "layer", "layers"
    activation: Any = None
    """The activation after the layer, a name or an `Activation`; None is none. Make it a field to let people choose."""
    sized: ClassVar[Callable[..., Layer] | None] = None
    """Optional classmethod `sized(units, activation)`: a layer with so many outputs, as units alone mean one."""
    keeps_shape: ClassVar[bool] = False
    """True: a row of y has the shape of a row of x, so it may be named wherever an activation is."""

    @property
    def mixes_rows(self) -> bool:
        """Whether, while training, a row of y depends on the other rows of its batch; in evaluation it never does."""
        return False

    @property
    def in_shape(self) -> Shape | None:
        """The shape of one input row where the settings fix it, else None."""
        return None

    @abstractmethod
    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        """New parameters by name, and the shape of one output row.

        The engine keeps each parameter in the memory order in which it is returned. Raises `ShapeError`.
        """

    def state(self, in_shape: Shape) -> dict[str, Tensor]:
        """Tensors that are kept, saved and resumed beside the parameters, but not trained, such as a running mean.
        The other methods find them among `params`."""
        return {}

    def next_state(self, params: Params, saved: Any) -> dict[str, Tensor]:
        """The state after a batch of training, from what `forward` saved of it."""
        return {}

    def fitted(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        """Parameters by name after a look at a batch of inputs, before the first step of training: where an initializer
        sees data (`Initializer.fitted`)."""
        return {}

    def factors(self, name: str) -> tuple[float, float]:
        """The factors of the learning rate and of the weight decay of a parameter, by its name."""
        return 1.0, 1.0

    @abstractmethod
    def forward(self, params: Params, x: Tensor, rng: Generator | None = None) -> tuple[Tensor, Any]:
        """(y, saved), where saved is what `backward` needs. `rng=None` means evaluation."""

    @abstractmethod
    def backward(self, params: Params, saved: Any, grad: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """(dL/dx, dL/dparameter by name), where grad = dL/dy."""

    def param_grads(self, params: Params, saved: Any, grad: Tensor) -> dict[str, Tensor]:
        """The second half of `backward`, all that the first layer of a network needs. Override to spare it dx."""
        return self.backward(params, saved, grad)[1]

    def ones(self, params: Params) -> bool:
        """Whether the bound forms want x with a column of ones after it, (n, d + 1), so that a bias can be a weight."""
        return False

    bind_forward: ClassVar[Callable[..., list[Call]] | None] = None
    """Optional method `bind_forward(params, x, y)`: calls that fill y. Only for a layer that draws nothing from rng."""
    bind_backward: ClassVar[Callable[..., list[Call]] | None] = None
    """Optional method `bind_backward(params, grads, x, grad, dx)`: calls that fill grads and, unless it is None, dx."""


class Loss(Component):
    """One value a row: how far a prediction is from its target. The engine takes the mean over rows."""

    kind, plural = "loss", "losses"
    task: ClassVar[str] = "regression"
    """`binary`, `multiclass` or `regression`: decides what a model's `predict` returns."""
    outputs: ClassVar[str] = "real"
    """The predictions it can judge, in the words of `Activation.outputs`."""
    head: ClassVar[str | None] = None
    """Name of the activation that belongs in front of it, None for none."""
    metric: ClassVar[str | None] = None
    """Name of the metric that is shown beside it when nobody chose another."""
    threshold: ClassVar[float] = 0.5
    """In a binary task, a prediction of at least this is a 1."""
    fused: ClassVar[Callable[..., tuple[Tensor, Tensor]] | None] = None
    """Optional method `fused(z, target)`: the values and dL/dz straight from the logits z of `head`."""
    fused_values: ClassVar[Callable[..., Tensor] | None] = None
    """Optional method `fused_values(z, target)`: the values of `fused` alone, where nobody asks for the derivative."""
    bind_gradient: ClassVar[Callable[..., list[Call]] | None] = None
    """Optional method `bind_gradient(x, target, gradient, scale)`: calls that fill gradient with scale times the
    derivative by x: the logits of `head` where there is a `fused` form, else the prediction. Rows of a target on the
    simplex add up to one."""

    @abstractmethod
    def __call__(self, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """(values (n,), gradient): one value a row, and the derivative of their *sum* by prediction."""


class Metric(Component):
    """A score of predictions that adds up over batches and processes."""

    kind, plural = "metric", "metrics"
    higher_is_better: ClassVar[bool] = True
    tasks: ClassVar[tuple[str, ...]] = ("binary", "multiclass", "regression")
    """The tasks it can score."""
    labels: ClassVar[bool] = False
    """True: it is given decisions, columns of 0 and 1 (one-hot in a multiclass task); False: the outputs."""
    outputs: ClassVar[str] = "real"
    """The outputs that it can score, as in `Loss.outputs`."""
    reported: ClassVar[bool] = False
    """True: evaluation shows it where nobody chose metrics, in the tasks that it can score."""

    @abstractmethod
    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        """A vector of sums over the rows; those of several batches are added."""

    @abstractmethod
    def score(self, tally: Tensor) -> float:
        """The score of everything that was added up in tally."""

    by_class: ClassVar[Callable[..., Tensor] | None] = None
    """Optional method `by_class(tally)`: the score of each class against all others, (k,), of one-hot decisions."""

    def __call__(self, prediction: Tensor, target: Tensor) -> float:
        """Tally and score in one, for whole tensors. Raises `ShapeError` when the shapes cannot be compared."""
        from netkit.tensors import comparable

        return self.score(self.tally(*comparable(prediction, target)))
