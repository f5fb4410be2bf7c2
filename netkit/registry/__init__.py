"""Which components exist, and where each came from: `registry.activations["relu"]` is a class.

Here live the hooks that plugins implement, the search for installed plugins, the lookup of names, and what helps
authors (doctor, scaffold, stub). What a component promises is in `netkit.kinds`; what is done with one is not known
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from netkit.kinds import KINDS
from netkit.registry.info import RUN_TIME, Info
from netkit.registry.lookup import Lookup, Registry, current, names_of, refresh, using

__all__ = ["RUN_TIME", "Info", "Lookup", "Registry", "current", "names_of", "refresh", "using"]

if not TYPE_CHECKING:  # __init__.pyi has the name of every kind, for type checkers

    def __getattr__(name):
        if name in __dir__():
            return getattr(current(), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return [*globals(), *(kind.plural for kind in KINDS.values())]
