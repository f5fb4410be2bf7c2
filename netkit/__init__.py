"""netkit: feed-forward neural networks with explicit local gradients, where every part is a plugin.

    from netkit import Accuracy, Dense, Model

`Model` and what is listed in `__all__` live in this package. Any registered component is here too, under the CamelCase
of its name: `netkit.Dense` is `registry.layers["dense"]`. A metric comes as a function of (y, yhat). Where two kinds
share a name the order of `netkit.kinds.KINDS` decides. Importing netkit imports no torch until something needs it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "netkit.errors": (
        "DataError",
        "DivergenceError",
        "MemoryExhausted",
        "ModelFileError",
        "NetkitError",
        "PluginError",
        "SettingError",
        "ShapeError",
        "UnknownComponent",
        "UsageError",
    ),
    "netkit.registry.hookspecs": ("hookimpl",),
    "netkit.kinds": ("Activation", "Component", "Initializer", "Layer", "Loss", "Metric", "Optimizer", "Schedule"),
    "netkit.model": ("Model",),
    "netkit.files.model_file": ("load",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [*sorted(_HOME), "derived", "registry", "spec"]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("derived", "registry", "spec"):
        return import_module(f"netkit.{name}")
    if name == "__version__":
        return import_module("netkit.registry.discovery").version()
    if name[:1].isupper():
        return import_module("netkit.registry.attributes").component(name)
    raise AttributeError(f"module 'netkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
