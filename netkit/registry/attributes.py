"""Registered components under class names, as `from netkit import Dense, Accuracy` finds them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from netkit.errors import nearest
from netkit.kinds import Metric
from netkit.registry.lookup import current, own

__all__ = ["class_name", "component", "names", "snake_case"]


def component(name: str) -> Any:
    """The class whose registered name is `name` in snake_case; for a metric, the function that scores with it."""
    wanted = snake_case(name)
    for lookup in current().kinds.values():
        if wanted in lookup:
            found = lookup[wanted]
            return _scorer(name, found) if issubclass(found, Metric) else found
    known = [each for lookup in current().kinds.values() for each in lookup]
    raise AttributeError(
        f"module 'netkit' has no attribute {name!r}, and no component is called {wanted!r}{nearest(wanted, known)}"
    )


def names() -> list[str]:
    """What netkit's own components are called here; nothing of a stranger's is imported for the answer."""
    return [class_name(info.name) for lookup in own().kinds.values() for info in lookup.infos()]


def class_name(name: str) -> str:
    """`leaky_relu` to `LeakyRelu`, `conv2d` to `Conv2d`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def snake_case(name: str) -> str:
    """`LeakyRelu` to `leaky_relu`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _scorer(name: str, metric: type[Metric]) -> Callable[..., float]:
    def score(y: Any, yhat: Any, **settings: Any) -> float:
        from netkit.tensors import tensor

        return metric(**settings)(tensor("yhat", yhat), tensor("y", y))

    score.__name__ = score.__qualname__ = name
    score.__doc__ = f"{name}(y, yhat): targets first, then predictions.\n\n{metric.__doc__}"
    return score
