"""Which components exist, and where each came from: `registry.activations["relu"]` is a class.

Here live the hooks that plugins implement, the search for installed plugins, the lookup of names, and what helps authors
(doctor, scaffold). What a component promises is in `netkit.kinds`; what is done with one is not known here.
"""

from __future__ import annotations

from typing import Any

from netkit.registry.info import RUN_TIME, Info
from netkit.registry.lookup import Lookup, Registry, current, names_of, refresh, using

__all__ = ["RUN_TIME", "Info", "Lookup", "Registry", "current", "names_of", "refresh", "using"]


def __getattr__(name: str) -> Any:
    if name.startswith("_") or name in ("lookup", "info", "source"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(current(), name)
