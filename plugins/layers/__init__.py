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
    }
