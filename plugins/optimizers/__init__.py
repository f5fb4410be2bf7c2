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
        "nadam": f"{here}.nadam:Nadam",
        "radam": f"{here}.radam:Radam",
        "adagrad": f"{here}.adagrad:Adagrad",
        "lion": f"{here}.lion:Lion",
        "lbfgs": f"{here}.lbfgs:Lbfgs",
    }
