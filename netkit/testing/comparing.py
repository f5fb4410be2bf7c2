"""What checks are made of: a rule that two results agree, and the smallest input on which they do not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from netkit.errors import NetkitError

__all__ = ["BrokenPromise", "agree", "as_code", "need", "rand", "rng", "untouched"]

Case = Callable[..., tuple[Tensor, Tensor]]


class BrokenPromise(NetkitError, AssertionError):
    """A component does not do what its kind promises. The message holds the rule and an input that breaks it."""


def rng(seed: int = 0) -> torch.Generator:
    """A random source that starts at the seed."""
    return torch.Generator().manual_seed(seed)


def rand(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal random numbers, the same for a seed."""
    return torch.randn(*shape, generator=rng(seed), dtype=torch.float64).to(dtype)


def need(fine: object, rule: str, **inputs: Tensor) -> None:
    """Raise `BrokenPromise` with the rule and the inputs unless it is fine."""
    if not fine:
        raise BrokenPromise(rule + as_code(inputs))


def as_code(inputs: dict[str, Tensor]) -> str:
    """Tensors as lines of Python."""
    return "".join(f"\n    {name} = torch.tensor({each.tolist()}, dtype={each.dtype})" for name, each in inputs.items())


def agree(
    rule: str,
    case: Case,
    inputs: dict[str, Tensor],
    rtol: float = 1e-9,
    atol: float = 1e-9,
    fixed: dict[str, Tensor] | None = None,
) -> float:
    """The largest difference of the two tensors that case(*inputs) gives, over 1 + |wanted|; the case gets copies.

    Raises `BrokenPromise` with the smallest part of the inputs on which they differ by more than atol + rtol |wanted|,
    and with all of `fixed`: what the case takes beside its inputs.
    """
    fixed = fixed or {}

    def both(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        return case(*(each.clone() for each in parts))

    def wrong(got: Tensor, wanted: Tensor) -> Tensor:
        if got.shape != wanted.shape:
            raise BrokenPromise(
                f"{rule}: shape {tuple(got.shape)}, expected {tuple(wanted.shape)}{as_code(inputs | fixed)}"
            )
        return ~torch.isclose(got.double(), wanted.double(), rtol=rtol, atol=atol)

    got, wanted = both(list(inputs.values()))
    if bool((bad := wrong(got, wanted)).any()):
        found = _smallest(lambda parts: bool(wrong(*both(parts)).any()), list(inputs.values()), bad, not fixed)
        got, wanted = both(found)
        raise BrokenPromise(
            f"{rule}: got {got.tolist()}, expected {wanted.tolist()}{as_code(dict(zip(inputs, found)) | fixed)}"
        )
    differences = ((got - wanted).abs() / (1 + wanted.abs())).nan_to_num(0)  # both infinite: no difference
    return float(differences.max()) if got.numel() else 0.0


def untouched(rule: str, inputs: dict[str, Tensor]) -> Callable[[], None]:
    """Remember the inputs; the function that comes back raises `BrokenPromise` when they have changed."""
    before = {name: each.clone() for name, each in inputs.items()}

    def compare() -> None:
        for name, each in inputs.items():
            need(torch.equal(each, before[name]), f"{rule}: {name} was changed in place", **{name: before[name]})

    return compare


def _smallest(fails: Callable[[list[Tensor]], bool], inputs: list[Tensor], bad: Tensor, elements: bool) -> list[Tensor]:
    for parts in _parts(inputs, bad, elements):
        try:
            if fails(parts):
                return parts
        except Exception:  # too small a part for this component: try the next larger
            continue
    return inputs


def _parts(inputs: Sequence[Tensor], bad: Tensor, elements: bool) -> Iterator[list[Tensor]]:
    """One element, one row: around the first wrong one, or any where it is not about rows; then more rows."""
    place = tuple(int(i) for i in bad.nonzero()[0])
    rows = [place[0]] if len(bad) == len(inputs[0]) else range(len(inputs[0]))
    if elements and len(place) == 2 and all(each.ndim == 2 for each in inputs):
        yield [each[place[0] : place[0] + 1, place[1] : place[1] + 1] for each in inputs]
    for row in rows:
        yield [each[row : row + 1] for each in inputs]
    for many in (2, 8, 32, 128):
        yield [each[:many] for each in inputs]
