"""Every gradient of a network against finite differences: the exam of backpropagation as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from netkit.engine.finite_differences import between, numeric
from netkit.engine.network import Network, Trace, loss_gradient, loss_values
from netkit.engine.rows import Rows
from netkit.engine.text_table import TextTable
from netkit.kinds import Loss

__all__ = ["GradientCheck", "ParameterCheck", "check_gradients", "in_double"]

RELATIVE, ABSOLUTE = 1e-5, 1e-8
"""How far a gradient may be off, over the largest of its tensor, and beside that over 1 + |loss|, where the rounding of
the loss hides it."""


@dataclass(frozen=True)
class ParameterCheck:
    """The gradient of one parameter: how many of its elements were checked, and the place of the largest difference."""

    shape: tuple[int, ...]
    checked: int
    place: tuple[int, ...]
    """Index of the element where the two differ most."""
    analytic: float
    """What `backward` gives there."""
    numerical: float
    """What the loss does there; at a kink the slope, between those of both sides, that is nearest to `analytic`."""
    ok: bool

    @property
    def difference(self) -> float:
        """|analytic - numerical|."""
        return abs(self.analytic - self.numerical)


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """The gradients of all parameters by name."""

    parameters: Mapping[str, ParameterCheck]
    rows: int

    @property
    def ok(self) -> bool:
        """Whether every gradient that was checked agrees."""
        return all(each.ok for each in self.parameters.values())

    def __repr__(self) -> str:
        return repr(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> TextTable:
        wrong = [name for name, each in self.parameters.items() if not each.ok]
        said = f"wrong: {', '.join(wrong)}" if wrong else "ok"
        head = ["parameter", "shape", "checked", "place", "analytic", "numerical", "difference", ""]
        rows = [
            [name, str(each.shape), str(each.checked), str(each.place), f"{each.analytic:.6g}", f"{each.numerical:.6g}"]
            + [f"{each.difference:.1e}", "ok" if each.ok else "wrong"]
            for name, each in self.parameters.items()
        ]
        return TextTable(f"gradients of the mean loss of {self.rows} rows: {said}", head, rows)


def check_gradients(network: Network, loss: Loss, rows: Rows, seed: int, most: int) -> GradientCheck:
    """dL/dparameter as `backward` gives it against differences of L, the mean loss of these rows, in float64.

    The network is copied and passes as in training, its random numbers drawn anew from the seed in every pass, so that
    dropout leaves out the same. most: elements of each parameter, spread evenly, that are checked.
    """
    network, logits = in_double(network), network.fuses(loss)
    x, target, n = rows.x.double(), rows.target.double(), len(rows)
    weight = None if rows.weight is None else rows.weight.double()

    def forward() -> Trace:
        return network.forward(x, Generator(x.device).manual_seed(seed), logits)

    def losses() -> Tensor:
        values = loss_values(loss, logits, forward().output, target)
        return (values if weight is None else values * weight) / n

    trace = forward()
    gradient = loss_gradient(loss, logits, trace.output, target, weight)[1]
    network.backward(trace, gradient / n, logits)
    doubt, found = ABSOLUTE * (1 + float(losses().sum().abs())), {}
    analytic = network.gradients()
    for name, values in network.parameters().items():
        if values.numel():
            found[name] = _checked(losses, values, analytic[name], most, doubt)
    return GradientCheck(found, n)


def in_double(network: Network) -> Network:
    """A copy in float64."""
    copy, state = Network.__new__(Network), network.__getstate__()
    vectors = {name: state[name].to(torch.float64, copy=True) for name in ("params", "grads", "state")}
    copy.__setstate__(state | vectors)
    return copy


def _checked(losses: Callable[[], Tensor], values: Tensor, analytic: Tensor, most: int, doubt: float) -> ParameterCheck:
    """One parameter, in place: its elements are moved one after the other, and put back."""
    shape, values, analytic = tuple(values.shape), torch.atleast_1d(values), torch.atleast_1d(analytic)
    places = torch.linspace(0, values.numel() - 1, min(most, values.numel()), dtype=torch.float64).long()
    at = torch.unravel_index(places.to(values.device), values.shape)
    before, given = values[at].clone(), analytic[at].clone()

    def moved(to: Tensor) -> Tensor:
        values[at] = to
        return losses()

    low, high = (numeric(moved, before, side).to(given) for side in (-1, 1))
    values[at] = before
    numerical = between(low, given, high)
    off, size = (given - numerical).abs(), max(float(each.abs().max()) for each in (given, numerical))
    worst = int(off.argmax())
    place = tuple(int(axis[worst]) for axis in at) if shape else ()
    fine = float(off[worst]) <= RELATIVE * size + doubt
    return ParameterCheck(shape, len(places), place, float(given[worst]), float(numerical[worst]), fine)
