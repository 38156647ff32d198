"""One distribution, and what it says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message

from kit.supply.spdx import NOT_KNOWN, Licence, licence_of

_TEXT = re.compile(
    r"(licen[cs]e|copying|copyright|notice|third.?party.?notices?|eula)[^/]*$", re.IGNORECASE
)
_CODE = (".py", ".pyc", ".pyi", ".so", ".js", ".css", ".html", ".json", ".h", ".hpp", ".cmake")


@dataclass(frozen=True)
class LicenceText:
    """A file about licences that came with a distribution; ``name`` is its path therein."""

    name: str
    text: str


@dataclass(frozen=True)
class Part:
    """A library or crate that was built into a distribution, as its own bill tells (PEP 770).

    Attributes:
        purl: its package URL without qualifiers; empty where the bill gives none.
    """

    name: str
    version: str
    purl: str = ""


@dataclass(frozen=True)
class Component:
    """A distribution.

    Attributes:
        name: normalised (PEP 503), so that one package has one name.
        licence: what it is under, and how that is known.
        texts: files about licences that it carries, by name.
        sha256: of the file it came from; more than one where a lock allows several files.
        needs: names of the distributions it asks for, extras left aside.
        parts: what was built into it, as far as it tells.
    """

    name: str
    version: str
    licence: Licence = NOT_KNOWN
    texts: tuple[LicenceText, ...] = ()
    sha256: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def normal(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_licence_text(path: str) -> bool:
    """Whether a file of a distribution tells of licences: by its name, or by lying in the folder
    that PEP 639 keeps for them."""
    if path.lower().endswith(_CODE):
        return False
    return ".dist-info/licenses/" in path or _TEXT.search(path) is not None


def from_metadata(
    metadata: Message,
    texts: tuple[LicenceText, ...],
    sha256: tuple[str, ...] = (),
    bills: Iterable[bytes] = (),
) -> Component:
    """What a METADATA file says.

    Args:
        bills: of materials that came with it.

    Raises:
        ValueError: it gives no name or no version.
    """
    name, version = metadata.get("Name"), metadata.get("Version")
    if not name or not version:
        raise ValueError("its metadata gives no name or no version")
    return Component(
        name=normal(name),
        version=version,
        licence=licence_of(
            normal(name),
            expression=metadata.get("License-Expression") or "",
            field=metadata.get("License") or "",
            classifiers=[
                text for text in metadata.get_all("Classifier", []) if text.startswith("License ::")
            ],
        ),
        texts=tuple(sorted(texts, key=lambda text: text.name)),
        sha256=sha256,
        needs=_needs(metadata.get_all("Requires-Dist", [])),
        parts=tuple(
            sorted({part for bill in bills for part in _parts(bill, normal(name))}, key=str)
        ),
    )


def is_bill(path: str) -> bool:
    """Whether a file of a distribution is a bill of materials (PEP 770) that may be read."""
    return ".dist-info/sboms/" in path and path.endswith(".json")


def _parts(bill: bytes, own: str) -> Iterator[Part]:
    """What a CycloneDX bill lists beside the distribution itself; nothing of what is none."""
    try:
        told = json.loads(bill)
        waiting = list(told["components"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return
    while waiting:
        each = waiting.pop()
        if not isinstance(each, dict):
            continue
        inner = each.get("components")
        waiting += inner if isinstance(inner, list) else []
        name, version = str(each.get("name") or ""), str(each.get("version") or "")
        purl = re.split(r"[?#]", str(each.get("purl") or ""))[0]
        if name and normal(name) != own and not purl.startswith("pkg:pypi/"):
            yield Part(name, version, purl)


def _needs(requirements: list[str]) -> tuple[str, ...]:
    """What is asked for without any extra; markers of platforms are left for who installs."""
    asked = [text for text in requirements if not re.search(r"\bextra\s*==", text)]
    names = [match[0] for text in asked if (match := re.match(r"[A-Za-z0-9][\w.-]*", text))]
    return tuple(sorted({normal(name) for name in names}))
