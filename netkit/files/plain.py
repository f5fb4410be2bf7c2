"""What a header can hold: data of JSON, in which every number is finite and every text can be written."""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["plain"]


def plain(data: Any) -> Any:
    """Data as a file gives it back; numbers and arrays of NumPy are plain ones. Raises `ValueError`."""
    try:
        simple = msgspec.to_builtins(data, str_keys=True, enc_hook=_listed)
        written = json.dumps(simple, allow_nan=False, ensure_ascii=False)
        written.encode()  # refuses half of a surrogate pair
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"JSON cannot hold it: {error}") from None
    return json.loads(written)


def _listed(value: Any) -> Any:
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"got {type(value).__name__}")
