"""The built-in reporters."""

from netkit import hookimpl


@hookimpl
def netkit_reporters() -> dict[str, str]:
    """Table of contents: name to component."""
    return {}
