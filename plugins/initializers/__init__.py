"""The built-in initializers."""

from netkit import hookimpl


@hookimpl
def netkit_initializers() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.initializers"
    return {
        "glorot_uniform": f"{here}.variance_scaling:GlorotUniform",
        "he_normal": f"{here}.variance_scaling:HeNormal",
        "lecun_normal": f"{here}.variance_scaling:LecunNormal",
        "orthogonal": f"{here}.variance_scaling:Orthogonal",
        "uniform": f"{here}.distributions:Uniform",
        "normal": f"{here}.distributions:Normal",
        "zeros": f"{here}.distributions:Zeros",
        "unit_variance": f"{here}.data:UnitVariance",
        "truncated_normal": f"{here}.distributions:TruncatedNormal",
        "he_uniform": f"{here}.variance_scaling:HeUniform",
        "glorot_normal": f"{here}.variance_scaling:GlorotNormal",
        "constant": f"{here}.distributions:Constant",
        "xavier_uniform": "glorot_uniform",
        "xavier_normal": "glorot_normal",
        "kaiming_uniform": "he_uniform",
        "kaiming_normal": "he_normal",
    }
