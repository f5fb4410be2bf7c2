"""The promises: one base class for each kind of component.

A component is a frozen dataclass of settings with pure functions on tensors. It owns no parameters and hides no
state: what a pass must remember is returned and handed back. The words are the same everywhere: x y z a grad dx
params saved state tally prediction target rng. n is the number of rows, and the first axis of every tensor.

What is called `bind_...` is optional and changes no number: a component that has it is bound to its buffers once (see
`netkit.engine.program.plan`), and gives a list of calls without arguments that do the same work in place, best made by
`netkit.engine.program.operations.bind`. Buffers keep their memory from step to step, in row-major order or transposed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from torch import Generator, Tensor

__all__ = ["KINDS", "Activation", "Component", "Initializer", "Layer", "Loss", "Metric", "Optimizer", "Schedule"]

READABLE = {"forward", "backward", "param_grads", "build", "__call__", "fused", "start", "step"}
"""The methods that say what a component does; what is `bind_...`, and a loss's `fused` forms, say the same faster."""
Call = Callable[[], Any]
Shape = tuple[int, ...]
Params = Mapping[str, "Tensor"]


@dataclass(frozen=True)
class Component(ABC):
    """What all kinds share. Settings are dataclass fields; a rule for one is `Annotated[float, msgspec.Meta(ge=0)]`."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    derived: ClassVar[bool] = False
    """Whether torch works out the gradient, instead of a formula that its author wrote."""

    def __init_subclass__(cls, **options: Any) -> None:
        """A class that writes a readable form anew does not inherit the fast forms of the old one."""
        super().__init_subclass__(**options)
        own = set(vars(cls))
        if READABLE & own:
            fast = {name for name in dir(cls) if name.startswith("bind_") or name == "fused_values"}
            fast |= {"fused"} & set(dir(cls)) if "__call__" in own else set()
            for name in fast - own:
                setattr(cls, name, None)

    @classmethod
    def examples(cls) -> Iterator[Self]:
        """The settings that netkit's checks try. Override when the defaults leave out a branch or do not exist."""
        yield cls()


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
    codes: ClassVar[bool] = False
    """True: its settings `columns`, `levels`, `dimensions` say which inputs hold codes of levels, how many and wide."""

    @property
    def in_shape(self) -> Shape | None:
        """The shape of one input row where the settings fix it, else None."""
        return None

    @abstractmethod
    def build(self, in_shape: Shape, rng: Generator) -> tuple[dict[str, Tensor], Shape]:
        """New parameters by name, and the shape of one output row.

        The engine keeps each parameter in the memory order in which it is returned. Raises `ShapeError`.
        """

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

    @abstractmethod
    def tally(self, prediction: Tensor, target: Tensor) -> Tensor:
        """A vector of sums over the rows; those of several batches are added."""

    @abstractmethod
    def score(self, tally: Tensor) -> float:
        """The score of everything that was added up in tally."""

    def __call__(self, prediction: Tensor, target: Tensor) -> float:
        """Tally and score in one, for whole tensors. Raises `ShapeError` when the shapes cannot be compared."""
        from netkit.tensors import comparable

        return self.score(self.tally(*comparable(prediction, target)))


class Optimizer(Component):
    """A rule that moves parameters along their gradients. Both are flat vectors of the whole network."""

    kind, plural = "optimizer", "optimizers"
    alpha: ClassVar[float] = 0.01
    """The learning rate when nobody chose another."""
    adaptive: ClassVar[bool] = False
    """True: each parameter has a step size of its own, so one alpha suits most tables."""

    @abstractmethod
    def start(self, params: Tensor) -> dict[str, Any]:
        """The state before the first step."""

    @abstractmethod
    def step(self, params: Tensor, grads: Tensor, state: dict[str, Any], alpha: float) -> None:
        """One step with learning rate alpha: params and state change in place, grads do not."""

    bind_step: ClassVar[Callable[..., Callable[[float], Any]] | None] = None
    """Optional method `bind_step(params, grads, state)`: the same as a function of alpha alone."""


class Initializer(Component):
    """A source of starting values."""

    kind, plural = "initializer", "initializers"

    @abstractmethod
    def __call__(self, shape: Shape, fan_in: int, fan_out: int, rng: Generator) -> Tensor:
        """A float32 tensor of this shape, for a map from fan_in inputs to fan_out outputs; random only through rng."""


class Schedule(Component):
    """How the learning rate changes on the way: a pure function of how far a run is."""

    kind, plural = "schedule", "schedules"

    @abstractmethod
    def __call__(self, done: float) -> float:
        """The factor on alpha, at least 0 and finite, where `done` of the steps are done: 0 at the first step of a run,
        and 1 after the last."""


KINDS: dict[str, type[Component]] = {
    kind.kind: kind for kind in (Activation, Layer, Loss, Metric, Optimizer, Initializer, Schedule)
}
"""Every kind by its name; the order is the order of `netkit list-plugins`."""
