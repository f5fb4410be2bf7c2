"""What every kind of component shares, and the words of all promises.

A component is a frozen dataclass of settings with pure functions on tensors. It owns no parameters and hides no
state: what a pass must remember is returned and handed back. The words are the same everywhere: x y z a grad dx
params saved state tally prediction target rng. n is the number of rows, and the first axis of every tensor.

What is called `bind_...` is optional and changes no number: a component that has it is bound to its buffers once (see
`netkit.engine.program.plan`), and gives a list of calls without arguments that do the same work in place, best made by
`netkit.engine.program.operations.bind`. Buffers keep their memory from step to step, in row-major order or transposed.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Call", "Component", "Params", "Shape"]

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
