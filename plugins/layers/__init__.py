"""The built-in layers. A number of units alone means the first."""

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
    }
