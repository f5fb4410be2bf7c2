"""The modules of netkit 0.1 under their old names, for one version: an import works, and says what to write instead."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from pkgutil import resolve_name
from types import ModuleType

__all__ = ["RENAMED", "spec_of"]

_WINGS = {
    "engine": "network progress rows scoring storage:parameters training",
    "engine.program": "bound:operations epochs:plan passes:buffers plan watched:record",
    "files": "resume:checkpoint",
    "registry": "discovery doctor face:attributes glance:source hookspecs naming:info scaffold",
    "tables": "data.budget:memory data.columns data.gathering:first_pass "
    "data.grouping:split data.inspecting:describe data.parting:split data.prepared:encoders data.preparing:features "
    "data.reading:read data.sources data.spill:store data.stream:dataset data.summary:summaries data.target "
    "data.weighing:weights table:model",
    "cli": "data.writing:predictions",
}
RENAMED = {
    "netkit.checkpoint": "netkit.model",
    "netkit.data": "netkit.tables",
    "netkit.targets": "netkit.tensors",
    "netkit.testing.others": "netkit.testing.metrics",
} | {
    f"netkit.{old}": f"netkit.{wing}.{new or old.rpartition('.')[2]}"
    for wing, names in _WINGS.items()
    for old, _, new in (name.partition(":") for name in names.split())
}
"""The new name of each module by its old one: what is still called as it was, the old name gives too."""
_ELSEWHERE = {
    "netkit.checkpoint": {
        "save": "netkit.model:Model.save",
        "sources": "netkit.files.provenance:sources",
        "Source": "netkit.files.provenance:Source",
        "written": "netkit.files.atomic:atomic_write",
    },
    "netkit.scoring": {
        name: f"netkit.engine.targets:{name}" for name in ("check_head", "make_metrics", "targets_for", "weights_for")
    },
}
"""Names that have left their module for another."""


class _Loader:
    @staticmethod
    def create_module(spec: ModuleSpec) -> None:
        """An ordinary module."""

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        old, new = module.__name__, RENAMED[module.__name__]
        warnings.warn(f"{old} is now {new}; the old name goes with 0.3", DeprecationWarning, stacklevel=2)
        names = vars(import_module(new)).items()
        vars(module).update({name: value for name, value in names if not name.startswith("__")})
        vars(module).update({name: resolve_name(path) for name, path in _ELSEWHERE.get(old, {}).items()})


def spec_of(name: str) -> ModuleSpec | None:
    """How to import a module by its old name; None for any other name."""
    package = any(old.startswith(f"{name}.") for old in RENAMED)
    return ModuleSpec(name, _Loader(), is_package=package) if name in RENAMED else None  # type: ignore[arg-type]
