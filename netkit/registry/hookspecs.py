"""Everything that can be extended, on one page: one hook for each kind of component.

A hook takes nothing and returns {name: component}, where component is the class or a reference "package.module:Name"
that is imported at first use. Names are snake_case. Order matters in one place: where nobody chose a component,
netkit takes the first of its own that fits.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import pluggy

from netkit.kinds import Activation, Initializer, Layer, Loss, Metric, Optimizer, Schedule

__all__ = ["hookimpl", "hookspec", "plugin_manager"]

hookspec = pluggy.HookspecMarker("netkit")
hookimpl = pluggy.HookimplMarker("netkit")


def plugin_manager() -> pluggy.PluginManager:
    """A manager that knows these hooks, and no plugin yet."""
    manager = pluggy.PluginManager("netkit")
    manager.add_hookspecs(sys.modules[__name__])
    return manager


@hookspec
def netkit_activations() -> Mapping[str, type[Activation] | str]:  # type: ignore[empty-body]
    """Functions applied to each row: relu, softmax, ..."""


@hookspec
def netkit_layers() -> Mapping[str, type[Layer] | str]:  # type: ignore[empty-body]
    """Functions with parameters: dense, ..."""


@hookspec
def netkit_losses() -> Mapping[str, type[Loss] | str]:  # type: ignore[empty-body]
    """What training makes small."""


@hookspec
def netkit_metrics() -> Mapping[str, type[Metric] | str]:  # type: ignore[empty-body]
    """What people read."""


@hookspec
def netkit_optimizers() -> Mapping[str, type[Optimizer] | str]:  # type: ignore[empty-body]
    """Rules that move parameters."""


@hookspec
def netkit_initializers() -> Mapping[str, type[Initializer] | str]:  # type: ignore[empty-body]
    """Sources of starting values."""


@hookspec
def netkit_schedules() -> Mapping[str, type[Schedule] | str]:  # type: ignore[empty-body]
    """How the learning rate changes on the way."""
