"""Locks: requirements files that pin every package and name the sha256 of each file it may be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.errors import MissingPackage, UsageError
from kit.supply.component import Component, normal
from kit.supply.spdx import reviewed_licence

_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)\s*(?:;\s*(.+?))?\s*$")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})$")


@dataclass(frozen=True)
class Pin:
    """One line of a lock.

    Attributes:
        name: normalised.
        marker: where it is wanted, as PEP 508 writes it; empty for everywhere.
        sha256: of the files it may be.
    """

    name: str
    version: str
    marker: str
    sha256: tuple[str, ...]

    def wanted(self, environment: Mapping[str, str] | None = None) -> bool:
        """Whether a place wants it.

        Args:
            environment: PEP 508's names for the place; None for this one.
        """
        if not self.marker:
            return True
        try:
            from packaging.markers import Marker
        except ModuleNotFoundError as error:
            raise MissingPackage("packaging", "supply") from error
        return Marker(self.marker).evaluate(dict(environment) if environment else None)


def read_lock(path: Path) -> tuple[Pin, ...]:
    """Every package of a lock, in its order.

    Raises:
        UsageError: unreadable, or a line that pins nothing or has no hash: all such are named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"a lock can't be read ({error})", where=path) from error
    pins, wrong = [], []
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not line:
            continue
        what, *hashes = re.split(r"\s+(?=--)", line)
        pin, digests = _PIN.match(what), [_HASH.match(text) for text in hashes]
        if pin is None:
            wrong.append(f"pins nothing: {what[:80]}")
        elif not digests or None in digests:
            wrong.append(f"has no sha256: {what[:80]}")
        else:
            found = tuple(match[1] for match in digests if match)
            pins.append(Pin(normal(pin[1]), pin[2], pin[3] or "", found))
    if not pins and not wrong:
        wrong.append("it pins nothing at all")
    if wrong:
        raise UsageError("\n  ".join(["not a lock", *wrong]), where=path, fix="make lock")
    return tuple(pins)


def locked_components(
    pins: tuple[Pin, ...], known: tuple[Component, ...] = ()
) -> tuple[Component, ...]:
    """What a lock would bring, by name.

    Args:
        known: components that are at hand, from which licences are taken: of the very version where
            there is one, else of another version of the same package.
    """
    exact = {(each.name, each.version): each for each in known}
    by_name = {each.name: each for each in known}
    found = []
    for pin in sorted(set(pins), key=lambda pin: (pin.name, pin.version)):
        same = exact.get((pin.name, pin.version))
        here = same or by_name.get(pin.name)
        licence = here.licence if here else reviewed_licence(pin.name)
        needs = here.needs if here else ()
        parts = same.parts if same else ()
        found.append(Component(pin.name, pin.version, licence, (), pin.sha256, needs, parts))
    return tuple(found)
