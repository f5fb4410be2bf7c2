"""How to train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

from netkit import spec
from netkit.kinds import Optimizer, Schedule

__all__ = ["Recipe"]

Count = Annotated[int, Meta(ge=1)]
Positive = Annotated[float, Meta(gt=0)]


@dataclass(frozen=True)
class Recipe:
    """How to train. Raises `SettingError`, or `UnknownComponent`, for everything that breaks its rule."""

    batch: Count = 32
    epochs: Count = 100
    alpha: Positive | None = None
    """Learning rate; None is the optimizer's own."""
    optimizer: Optimizer | None = None
    """None is netkit's first: plain gradient descent."""
    shuffle: bool = True
    keep_best: bool = False
    """Leave the weights of the best epoch behind, whatever ends the run; else those of the last."""
    plan: bool = True
    """Run steps as `netkit.engine.program.plan` binds them; else as `Run` spells them out. They differ by rounding."""
    patience: Count | None = None
    """Epochs without a better one after which training stops (early stopping); None never stops early."""
    clip: Positive | None = None
    """Longest gradient: one of a larger norm, over all parameters, is scaled down to it; None lets all pass."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """float32, or bfloat16 for the operands of large products in a planned step: faster, and right to three digits."""
    schedule: Schedule | None = None
    """How the learning rate changes on the way, step by step; None keeps it."""
    schedules: dict[str, Schedule] = field(default_factory=dict)
    """How other numbers change: `weight_decay`, step by step, and settings of layers, from epoch to epoch, by the place
    of the layer and the name of the setting, such as `1.rate`."""
    average: Annotated[float, Meta(ge=0, lt=1)] | None = None
    """Decay of the exponential moving average of the weights, such as 0.999: it is scored and kept instead of the last
    weights, which go on training. At step t from 0 the decay is at most (1 + t) / (10 + t), so that it forgets the
    start: a tenth or so of all steps count (Shamir and Zhang 2013, arXiv:1212.1824). None takes no mean."""

    def __post_init__(self) -> None:
        spec.settle(self)
