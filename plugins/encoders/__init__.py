"""The built-in encoders. Where nobody sets a column, the first that takes such values is used."""

from netkit import hookimpl


@hookimpl
def netkit_encoders() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.encoders"
    return {
        "number": f"{here}.quantities:Number",
        "date": f"{here}.quantities:Date",
        "text": f"{here}.levels:Text",
        "embedding": f"{here}.levels:Codes",
    }
