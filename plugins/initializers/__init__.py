"""The built-in initializers."""

from netkit import hookimpl


@hookimpl
def netkit_initializers() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.initializers"
    return {
        "glorot_uniform": f"{here}.scaled:GlorotUniform",
        "he_normal": f"{here}.scaled:HeNormal",
        "lecun_normal": f"{here}.scaled:LecunNormal",
        "orthogonal": f"{here}.scaled:Orthogonal",
        "uniform": f"{here}.plain:Uniform",
        "normal": f"{here}.plain:Normal",
        "zeros": f"{here}.plain:Zeros",
    }
