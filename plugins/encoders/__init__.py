"""The built-in encoders."""

from netkit import hookimpl


@hookimpl
def netkit_encoders() -> dict[str, str]:
    """Table of contents: name to component."""
    return {}
