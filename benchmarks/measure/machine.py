"""Where and with what a run was made."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from datetime import date
from importlib import metadata
from pathlib import Path

PACKAGES = (
    "netkit-nn",
    "torch",
    "jax",
    "jaxlib",
    "keras",
    "thinc",
    "skorch",
    "scikit-learn",
    "numpy",
    "scipy",
    "onnx",
    "onnxruntime",
)


LOAD = os.getloadavg()[0]
"""Processes that wanted a core in the minute before this one began: much above 0, and no ratio can be trusted."""


def machine() -> dict[str, str]:
    """The processor, its cores, the system, the versions, the day."""
    versions = {name: _version(name) for name in PACKAGES}
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "OpenMP": os.environ.get("OMP_WAIT_POLICY", "its own waiting policy").lower(),
        "load before the run": f"{LOAD:.1f}",
        "date": date.today().isoformat(),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(absent)"


def _processor() -> str:
    """The model, and the family that tells generations of one name apart."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    if "model name" in found:
        return f"{found['model name']} (family {found.get('cpu family')}, model {found.get('model')})"
    return platform.processor() or platform.machine()
