"""The modules of netkit 0.1 under their old names, for one version: an import works, and says what to write instead."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["RENAMED", "spec_of"]

_WINGS = {
    "engine": "network progress rows scoring storage:parameters training",
    "engine.program": "bound:operations epochs:steps passes:buffers plan watched:record",
    "files": "checkpoint:model_file resume:checkpoint",
    "registry": "discovery doctor face:attributes glance:source hookspecs naming:info scaffold",
    "tables": "data.budget:memory data.columns data.cutting:chunks data.formats data.gathering:first_pass "
    "data.grouping:groups data.inspecting:describe data.parting:split data.prepared:encoders data.preparing:features "
    "data.reading:read data.sources data.spill:store data.stream data.summary:summaries data.target "
    "data.weighing:weights table:model",
    "cli": "data.writing:predictions",
}
RENAMED = {
    "netkit.data": "netkit.tables",
    "netkit.targets": "netkit.tensors",
    "netkit.testing.others": "netkit.testing.metrics",
} | {
    f"netkit.{old}": f"netkit.{wing}.{new or old.rpartition('.')[2]}"
    for wing, names in _WINGS.items()
    for old, _, new in (name.partition(":") for name in names.split())
}
"""The new name of each module by its old one."""


class _Module(ModuleType):
    """A module under its old name. `netkit.bound` was a module and is a function: while it is both, it is callable."""

    def __call__(self, *operands: Any, **settings: Any) -> Any:
        return vars(self)[self.__name__.rpartition(".")[2]](*operands, **settings)


class _Loader:
    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        old, new = module.__name__, RENAMED[module.__name__]
        warnings.warn(f"{old} is now {new}; the old name goes with 0.3", DeprecationWarning, stacklevel=2)
        names = vars(import_module(new)).items()
        vars(module).update({name: value for name, value in names if not name.startswith("__")})


def spec_of(name: str) -> ModuleSpec | None:
    """How to import a module by its old name; None for any other name."""
    package = any(old.startswith(f"{name}.") for old in RENAMED)
    return ModuleSpec(name, _Loader(), is_package=package) if name in RENAMED else None  # type: ignore[arg-type]
