"""The built-in optimizers."""

from netkit import hookimpl


@hookimpl
def netkit_optimizers() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.optimizers"
    return {
        "sgd": f"{here}.sgd:Sgd",
        "adam": f"{here}.adam:Adam",
        "adamw": f"{here}.adam:Adamw",
        "rmsprop": f"{here}.rmsprop:Rmsprop",
    }
