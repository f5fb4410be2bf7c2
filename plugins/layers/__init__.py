"""The built-in layers. A number of units alone means the first that is `sized`."""

from netkit import hookimpl


@hookimpl
def netkit_layers() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.layers"
    return {
        "dense": f"{here}.dense:Dense",
        "dropout": f"{here}.dropout:Dropout",
        "layer_norm": f"{here}.layer_norm:LayerNorm",
        "embedding": f"{here}.embedding:Embedding",
        "activate": f"{here}.activate:Activate",
        "torch": f"{here}.torch_module:Torch",
        "residual": f"{here}.nested:Residual",
        "concat": f"{here}.nested:Concat",
        "rates": f"{here}.nested:Rates",
        "prelu": f"{here}.prelu:Prelu",
        "batch_norm": f"{here}.batch_norm:BatchNorm",
        "glu": f"{here}.glu:Glu",
        "conv1d": f"{here}.windows:Conv1d",
        "conv2d": f"{here}.windows:Conv2d",
        "max_pool1d": f"{here}.windows:MaxPool1d",
        "max_pool2d": f"{here}.windows:MaxPool2d",
        "average_pool1d": f"{here}.windows:AveragePool1d",
        "average_pool2d": f"{here}.windows:AveragePool2d",
        "flatten": f"{here}.shapes:Flatten",
        "reshape": f"{here}.shapes:Reshape",
    }
