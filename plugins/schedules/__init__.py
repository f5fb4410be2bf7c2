"""The built-in schedules."""

from netkit import hookimpl


@hookimpl
def netkit_schedules() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.schedules"
    return {
        "constant": f"{here}.falling:Constant",
        "cosine": f"{here}.falling:Cosine",
        "step": f"{here}.falling:Step",
        "one_cycle": f"{here}.rising:OneCycle",
        "warm_up": f"{here}.rising:WarmUp",
    }
