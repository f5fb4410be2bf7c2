"""The built-in schedules."""

from netkit import hookimpl


@hookimpl
def netkit_schedules() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.schedules"
    return {
        "constant": f"{here}.decay:Constant",
        "cosine": f"{here}.decay:Cosine",
        "step": f"{here}.decay:Step",
        "one_cycle": f"{here}.warm_up:OneCycle",
        "warm_up": f"{here}.warm_up:WarmUp",
    }
