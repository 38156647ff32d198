"""Which licences may be inside, and where: ``policy.yaml``, and what of it is broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from kit.binding import STRICT, bind, read_yaml
from kit.supply.component import Component
from kit.supply.spdx import parse

_FILE = Path(__file__).parent / "policy.yaml"


@dataclass(frozen=True)
class Excepted:
    """Licences that only certain packages may be under, in certain places.

    Attributes:
        licences: SPDX identifiers.
        packages, places: names, or patterns of them (``nvidia-*``). A place is a lock's name.
    """

    __pydantic_config__ = STRICT
    licences: tuple[str, ...]
    packages: tuple[str, ...]
    places: tuple[str, ...]
    why: str

    def is_about(self, name: str, place: str) -> bool:
        """Whether it is about this package in this place."""
        return any(fnmatchcase(name, each) for each in self.packages) and any(
            fnmatchcase(place, each) for each in self.places
        )


@dataclass(frozen=True)
class Policy:
    """``policy.yaml``.

    Attributes:
        allowed: SPDX identifiers that may be anywhere, each with the reason.
    """

    __pydantic_config__ = STRICT
    allowed: Mapping[str, str]
    exceptions: tuple[Excepted, ...] = field(default=())


@dataclass(frozen=True)
class Breach:
    """A component that may not be where it is."""

    name: str
    version: str
    licence: str
    what: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}: {self.what}"


@cache
def policy() -> Policy:
    """The kit's policy.

    Raises:
        CardError: mistakes in the file.
    """
    data, lines = read_yaml(_FILE)
    return bind(Policy, data, where=_FILE, lines=lines)


def breaches(
    components: Iterable[Component], place: str, rules: Policy | None = None
) -> list[Breach]:
    """What may not be in a place, and why not.

    Args:
        place: name of a lock; of one that the policy doesn't know, nothing is excepted.
        rules: None for the kit's own.
    """
    rules = policy() if rules is None else rules
    found = []
    for each in components:
        licence = each.licence
        if not licence.expression:
            what = f"its licence is not known (its metadata says {licence.said or 'nothing'!r})"
            found.append(Breach(each.name, each.version, "", what))
            continue
        excepted = {
            name
            for one in rules.exceptions
            if one.is_about(each.name, place)
            for name in one.licences
        }
        if refused := _refused(parse(licence.expression), {*rules.allowed, *excepted}):
            what = f"{', '.join(sorted(refused))} may not be in {place}"
            found.append(Breach(each.name, each.version, licence.expression, what))
    return found


def _refused(tree: Any, allowed: set[str]) -> set[str]:
    """Licences that stand in the way: of an OR one side is enough, of an AND both are needed."""
    kind = type(tree).__name__
    if kind == "AND":
        return set().union(*(_refused(each, allowed) for each in tree.args))
    if kind == "OR":
        sides = [_refused(each, allowed) for each in tree.args]
        return set() if not all(sides) else set().union(*sides)
    name = str(tree.render())  # an identifier, or one WITH an exception
    return set() if name in allowed else {name}
