"""The built-in readers."""

from netkit import hookimpl


@hookimpl
def netkit_readers() -> dict[str, str]:
    """Table of contents: name to component."""
    return {}
