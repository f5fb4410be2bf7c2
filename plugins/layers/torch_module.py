"""Any layer of torch.nn, its gradient derived by torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from netkit import Activation, SettingError, derived

__all__ = ["Torch"]


@dataclass(frozen=True)
class Torch(derived.ModuleLayer):
    """y = module(x), a layer of torch.nn written as `Linear(4, 8, bias=False)`; its gradient comes from torch.func.vjp.

    Only classes of torch.nn, with numbers, words, true and false as arguments: a file cannot name other code. Raises
    `SettingError` for anything else, and for a module that keeps more than its parameters, such as BatchNorm1d.
    """

    module: str
    activation: Activation | str | None = None

    @classmethod
    def examples(cls) -> Iterator[Torch]:
        yield cls("Linear(4, 3)", "tanh")
        yield cls("Sequential")
        yield cls("Dropout(0.5)")

    def make(self) -> torch.nn.Module:
        name, arguments, named = _parsed(self.module)
        module = vars(torch.nn).get(name)
        if not (isinstance(module, type) and issubclass(module, torch.nn.Module)):
            raise SettingError(f"torch: a class of torch.nn is needed, got {name!r}")
        return module(*arguments, **named)


def _parsed(text: str) -> tuple[str, list[object], dict[str, object]]:
    """`Name(literal, key=literal)` in its parts."""
    try:
        call = ast.parse(text, mode="eval").body
        if isinstance(call, ast.Name):
            return call.id, [], {}
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and all(each.arg for each in call.keywords):
            named = {str(each.arg): ast.literal_eval(each.value) for each in call.keywords}
            return call.func.id, [ast.literal_eval(each) for each in call.args], named
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise SettingError(f"torch: a module reads Linear(4, 8, bias=False), got {text!r}")
