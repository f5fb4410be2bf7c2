"""Real virtual environments: each sees the packages of this one, and has plugins of its own that pip installed."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import textwrap
import venv
from pathlib import Path

PYPROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "{name}"
version = "{version}"
dependencies = {requires}
{entries}
[tool.setuptools]
py-modules = ["{module}"]
"""


class Environment:
    """A fresh virtual environment. `run` calls its netkit in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        [here] = (folder / "venv").glob("lib/python*/site-packages")
        parents = [each for each in site.getsitepackages() if Path(each).is_dir()]
        (here / "parent.pth").write_text("".join(f"import site; site.addsitedir({each!r})\n" for each in parents))

    def run(self, *arguments, code=0, **environment):
        """netkit(arguments) in a process of its own; its output, after a look at the exit code."""
        done = subprocess.run(
            [self.python, "-m", "netkit", *map(str, arguments)],
            cwd=self.folder,
            text=True,
            timeout=120,
            capture_output=True,
            env={**os.environ, "NETKIT_TRACEBACK": "", **environment},
        )
        assert "Traceback" not in done.stderr and done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return done

    def pip(self, *arguments):
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            self.python,
            "--quiet",
            "--disable-pip-version-check",
            *map(str, arguments),
        ]
        done = subprocess.run(command, text=True, capture_output=True, timeout=120, cwd=self.folder)
        assert done.returncode == 0, done.stderr

    def install(self, package, *options):
        """A folder with a package, as `pip install` does it, without a network."""
        self.pip("install", "--no-deps", "--no-build-isolation", *options, package)

    def make(self, name, source, entries=None, version="0.1", requires='["netkit-nn"]'):
        """A distribution of one module, written to a folder for `install`."""
        folder = self.folder / "packages" / f"{name}-{version}"
        folder.mkdir(parents=True)
        module = name.replace("-", "_")
        entries = f'[project.entry-points.netkit]\n{module} = "{module}"' if entries is None else entries
        words = {"name": name, "version": version, "requires": requires, "module": module, "entries": entries}
        (folder / "pyproject.toml").write_text(PYPROJECT.format(**words))
        (folder / f"{module}.py").write_text(textwrap.dedent(source))
        return folder
