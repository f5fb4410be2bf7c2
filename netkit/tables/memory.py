"""How a given amount of memory is shared out: to pieces of the file, to windows of rows, to the network."""

from __future__ import annotations

import ctypes
import logging
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path

from netkit.engine.network import Network
from netkit.errors import SettingError
from netkit.files.places import files_of, packed
from netkit.kinds import TextReader
from netkit.tables.readable import Readable
from netkit.tables.sources import Source
from netkit.tables.store import GROUP, ROWS, FileStore

__all__ = ["Budget", "budget_for"]

logger = logging.getLogger("netkit")
SHARE = 0.75
"""Of the memory that is available, what a run takes that was given no number: it is not alone."""
ARENAS = -8
"""What mallopt calls the most arenas there may be."""
BASE = 400 * 10**6
"""Bytes of a process that has imported torch and pyarrow and has trained something small."""
WORK = 60 * 10**6
"""Bytes that are needed for anything at all beside that."""
COPIES = 12
"""Bytes that a byte of a piece takes while it is parsed, split and summarised."""
PER_PARAMETER = 24
"""Bytes: of itself, its gradient, what an optimizer remembers of it, and the copies that training keeps."""
PER_VALUE = 12
"""Bytes of what is between two layers: before and behind an activation, and its gradient."""
BLOCKS = 4
"""Blocks of which a window consists at least, to be shuffled at all."""
LIKE_TEXT, DENSE = 8, 16
"""Bytes in memory for each byte of a file, of text and of one that is compressed."""


@dataclass(frozen=True)
class Budget:
    """The bytes that a process may take, all in all. Raises `SettingError` where it cannot work with so few."""

    total: int

    def __post_init__(self) -> None:
        self._refuse_less_than(BASE + WORK, "")

    @property
    def piece(self) -> int:
        """Bytes of the file that are read at a time."""
        return min(2**25, (self.total - BASE) // COPIES)

    def window(self, store: FileStore, inputs: int, outputs: int, network: Network, batch: int) -> int:
        """Rows of a window: three are there at once, one that is trained on, the next, and one just done with."""
        parameters, values = network.params.numel(), batch * sum(prod(link.out_shape) for link in network.links)
        raw = store.size // max(len(store), 1)
        group = GROUP * ROWS * (3 * raw + 8 * len(store.schema))
        fixed = BASE + PER_PARAMETER * parameters + PER_VALUE * values + group
        row = 3 * 4 * (inputs + outputs + 2)
        why = f" for {inputs} inputs, {parameters} parameters and {values} values a batch"
        self._refuse_less_than(fixed + BLOCKS * ROWS * row, why)
        return (self.total - fixed) // row // ROWS * ROWS

    def _refuse_less_than(self, least: int, why: str) -> None:
        if self.total < least:
            least = -(-least // 10**7) * 10**7
            raise SettingError(f"memory: at least {size_text(least)} are needed{why}, got {size_text(self.total)}")


def frugal() -> None:
    """Have the threads of this process share what they have freed, where the C library is GNU's; else each keeps its
    own."""
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(ARENAS, 2)


def size_text(size: int) -> str:
    """Bytes as people write them."""
    unit, name = (10**9, "GB") if size >= 10**10 else (10**6, "MB")
    return f"{size / unit:.3g}{name}" if unit == 10**9 else f"{size // unit}MB"


def budget_for(source: Source, given: int | None) -> Budget | None:
    """What a run may take: as given, or, for files that do not fit into what is available, most of that; None where the
    rows are kept in memory. Raises `SettingError`."""
    if given is None:
        need = BASE + sum(map(_bulk, source.readables))
        free = available()
        if need <= free:
            return None
        given = int(free * SHARE) // 10**7 * 10**7
        takes = f"takes about {size_text(need)} in memory, {size_text(free)} are available"
        logger.warning("%s: %s: streamed, as by --memory %s", source.where, takes, size_text(given))
    frugal()
    return Budget(given)


def available() -> int:
    """Bytes that the machine, or the group of processes that this one is in, has left."""
    found = re.search(r"MemAvailable:\s*(\d+)", _text("/proc/meminfo"))
    free = [int(found[1]) * 1024] if found else []
    limit, used = _text("/sys/fs/cgroup/memory.max").strip(), _text("/sys/fs/cgroup/memory.current").strip()
    free += [int(limit) - int(used)] if limit.isdigit() and used.isdigit() else []
    return min(free, default=2**63 - 1)


def _bulk(readable: Readable) -> int:
    """Bytes in memory; none where no file tells."""
    times = LIKE_TEXT if isinstance(readable.reader, TextReader) and not packed(readable.where) else DENSE
    return times * next((os.path.getsize(each) for each in files_of(readable.where) if os.path.isfile(each)), 0)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
