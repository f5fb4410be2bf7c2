"""Everything that can be extended, on one page: one hook for each kind of component, such as `netkit_activations`.

    @hookimpl
    def netkit_activations():
        return {"swish": "netkit_swish:Swish"}

A hook takes nothing and returns {name: component}, where component is the class or a reference "package.module:Name"
that is imported at first use; or the name of another component in the table, of which it is an alias then. Names are
snake_case, and win over aliases. Order matters in one place: where nobody chose a component,
netkit takes the first of its own that fits.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import pluggy

from netkit.kinds import KINDS, Component

__all__ = ["hook_name", "hookimpl", "hookspec", "plugin_manager"]

hookspec = pluggy.HookspecMarker("netkit")
hookimpl = pluggy.HookimplMarker("netkit")


def hook_name(kind: type[Component]) -> str:
    """`netkit_layers` for layers."""
    return f"netkit_{kind.plural}"


def plugin_manager() -> pluggy.PluginManager:
    """A manager that knows these hooks, and no plugin yet."""
    manager = pluggy.PluginManager("netkit")
    manager.add_hookspecs(sys.modules[__name__])
    return manager


def _hook(kind: type[Component]) -> Callable[[], Mapping[str, type[Component] | str]]:
    def hook() -> Mapping[str, type[Component] | str]:
        return {}

    hook.__name__, hook.__doc__ = hook_name(kind), kind.__doc__
    return hookspec(hook)


globals().update({hook_name(kind): _hook(kind) for kind in KINDS.values()})
