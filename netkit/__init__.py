"""netkit: feed-forward neural networks with explicit local gradients, where every part is a plugin.

    from netkit import Accuracy, Dense, Model

What is listed in `__all__` lives in this package. Any registered component is here too, under the CamelCase of its
name: `netkit.Dense` is `registry.layers["dense"]`. A metric comes as a function of (y, yhat). Where two kinds share a
name the order of `netkit.kinds.KINDS` decides. Importing netkit imports no torch until something needs it.

The types of all this are in `__init__.pyi`, which `python -m netkit.registry.stub` writes from the table below.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from netkit.kinds import KINDS

_HOMES: dict[str, tuple[str, ...]] = {
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
    "netkit.kinds": (
        "Call",
        "Component",
        "Epoch",
        "Params",
        "RunInfo",
        "Shape",
        "TextReader",
        *(kind.__name__ for kind in KINDS.values()),
    ),
    "netkit.tensors": ("by_row", "comparable", "labels", "like", "row_means"),
    "netkit.engine.chain": ("Chain", "ChainLayer"),
    "netkit.engine.history": ("History",),
    "netkit.engine.program.operations": ("bind",),
    "netkit.files.atomic": ("atomic_write", "open_stream"),
    "netkit.model": ("Model", "load"),
    "netkit.tables.summaries": ("DateSummary", "NumberSummary", "TextSummary"),
    "netkit.tables.model": ("TableModel",),
    "netkit.tables.interruption": ("Interrupted",),
    "netkit.tables.training": ("train",),
}
_MODULES = ("derived", "registry", "spec")
_HOME = {name: home for home, names in _HOMES.items() for name in names} | dict.fromkeys(_MODULES, "")


def __getattr__(name: str) -> Any:
    if name in _HOME:
        home = _HOME[name]
        found = getattr(import_module(home), name) if home else import_module(f"netkit.{name}")
        return globals().setdefault(name, found)
    if name == "__all__":  # who asks for it, a star import or a documentation tool, looks for all of them right here
        return globals().setdefault(name, [each for each in sorted(_HOME) if __getattr__(each) is not None])
    if name == "__version__":
        return import_module("netkit.registry.discovery").version()
    if name[:1].isupper():
        return import_module("netkit.registry.attributes").component(name)
    raise AttributeError(f"module 'netkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *import_module("netkit.registry.attributes").names()})


class _Renamed:
    """Finds the modules of 0.1 under their old names: asked last of all, so for what is no longer there."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        return import_module("netkit.registry.renamed").spec_of(name) if name.startswith("netkit.") else None


sys.meta_path.append(_Renamed)
