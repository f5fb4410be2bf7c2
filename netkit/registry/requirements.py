"""What a configuration or a checkpoint says about plugins: `[plugins]` with `require`, `prefer` and `disable`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from typing import Any

import msgspec
from packaging.requirements import InvalidRequirement, Requirement

from netkit.errors import PluginError, SettingError, nearest
from netkit.registry.discovery import applies
from netkit.registry.lookup import Registry, current, using

__all__ = ["Plugins", "following"]


class Plugins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [plugins] of a configuration. Raises `SettingError` for a requirement that pip could not read."""

    require: list[str] = []
    """Requirements as pip writes them; all must be met before anything is trained."""
    prefer: list[str] = []
    """Distributions that a name in dispute goes to."""
    disable: list[str] = []
    """Plugins to leave out, by distribution or entry point."""

    @classmethod
    def of(cls, given: Any) -> Plugins:
        """From the table as it is written. Raises `SettingError`."""
        if isinstance(given, Plugins):
            return given
        if not isinstance(given, Mapping):
            raise SettingError(f"a table is needed, got {given!r}")
        known = cls.__struct_fields__
        for name, words in given.items():
            if name not in known:
                has = nearest(str(name), known) or f"; it has {', '.join(known)}"
                raise SettingError(f"there is no setting {name!r}{has}")
            if not isinstance(words, (list, tuple)) or not all(isinstance(word, str) for word in words):
                raise SettingError(f"{name}: a list of texts is needed, got {words!r}")
        return cls(**given)

    def to_json(self) -> dict[str, list[str]]:
        """The table."""
        return {name: list(value) for name, value in msgspec.structs.asdict(self).items() if value}

    def __post_init__(self) -> None:
        for line in self.require:
            try:
                Requirement(line)
            except InvalidRequirement:
                raise SettingError(
                    f"plugins: require: a requirement as pip writes it is needed, got {line!r}"
                ) from None


@contextmanager
def following(plugins: Plugins) -> Iterator[Registry]:
    """A registry that follows these rules, for a while. Raises `PluginError` where something required is missing."""
    needed = [needs for line in plugins.require if applies(needs := Requirement(line))]
    if missing := [said for needs in needed if (said := _unmet(needs))]:
        raise PluginError(f"plugins: {'; '.join(missing)}")
    if not (plugins.prefer or plugins.disable):
        yield current()
        return
    with using(current().with_rules(plugins.disable, plugins.prefer)) as registry:
        yield registry


def _unmet(needs: Requirement) -> str:
    try:
        installed = metadata.version(needs.name)
    except metadata.PackageNotFoundError:
        return f"{needs} is not installed: pip install '{needs}'"
    fine = needs.specifier.contains(installed, prereleases=True)
    return "" if fine else f"{needs} is needed, {installed} is installed: pip install '{needs}'"
