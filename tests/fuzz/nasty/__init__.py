"""Files that were thought up to do harm, made on the spot, and what must be answered to each.

A case builds its files in an empty folder and returns what reads them; the making is not counted
as memory of the reading. The answer is matched against ``told``: ``refused (2): ...``, or
``read: ...`` and what was made of the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

Look = Callable[[], object]
Build = Callable[[Path], Look]


@dataclass(frozen=True)
class Case:
    """One of them.

    Attributes:
        told: pattern that the answer begins with.
        needs: packages it is nothing without.
    """

    told: str
    build: Build
    needs: tuple[str, ...]


CASES: dict[str, Case] = {}


def case(told: str, *needs: str) -> Callable[[Build], Build]:
    """Enter a case under its function's name."""

    def enter(build: Build) -> Build:
        name = build.__name__.replace("_", " ")
        assert name not in CASES
        CASES[name] = Case(told, build, needs)
        return build

    return enter


for _room in ("pictures", "texts", "datasets", "archives", "models"):
    import_module(f"fuzz.nasty.{_room}")
