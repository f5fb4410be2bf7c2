"""The built-in activations. The first is the one that hidden layers get when nobody chose."""

from netkit import hookimpl


@hookimpl
def netkit_activations() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.activations"
    return {
        "relu": f"{here}.rectified:Relu",
        "sigmoid": f"{here}.squashing:Sigmoid",
        "softmax": f"{here}.softmax:Softmax",
        "tanh": f"{here}.squashing:Tanh",
        "identity": f"{here}.identity:Identity",
        "leaky_relu": f"{here}.rectified:LeakyRelu",
        "elu": f"{here}.rectified:Elu",
        "selu": f"{here}.rectified:Selu",
        "gelu": f"{here}.gated:Gelu",
        "silu": f"{here}.gated:Silu",
        "mish": f"{here}.gated:Mish",
        "softplus": f"{here}.rectified:Softplus",
        "hard_tanh": f"{here}.squashing:HardTanh",
        "softsign": f"{here}.squashing:Softsign",
        "hard_sigmoid": f"{here}.squashing:HardSigmoid",
        "hard_swish": f"{here}.gated:HardSwish",
        "celu": f"{here}.rectified:Celu",
        "relu6": f"{here}.rectified:Relu6",
        "squareplus": f"{here}.rectified:Squareplus",
        "log_softmax": f"{here}.softmax:LogSoftmax",
    }
