"""The built-in reporters."""

from netkit import hookimpl


@hookimpl
def netkit_reporters() -> dict[str, str]:
    """Table of contents: name to component. The first is what `--log` names a file for."""
    return {"json_log": "netkit_plugins.reporters.json_log:JsonLog"}
