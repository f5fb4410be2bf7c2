"""The built-in readers. The first takes files whose suffix nobody has."""

from netkit import hookimpl


@hookimpl
def netkit_readers() -> dict[str, str]:
    """Table of contents: name to component."""
    here = "netkit_plugins.readers"
    return {
        "csv": f"{here}.text:Csv",
        "parquet": f"{here}.columnar:Parquet",
        "arrow": f"{here}.columnar:Arrow",
        "json_lines": f"{here}.text:JsonLines",
        "jsonl": "json_lines",
    }
