"""The manifest of a parcel: every file by name, size and sha256, and what it all is."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kit.binding import STRICT, bind, plain
from kit.errors import ParcelError
from kit.files import json_bytes

MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
README = "README.txt"
REQUIREMENTS = "requirements.txt"
BUNDLE = "bundle"
SAMPLES = "samples"
WHEELS = "wheels"
IMAGE = "image"

MOST_FILES = 10_000
LARGEST = (8 << 30) - 1
"""Bytes of one file; a plain tar has no room for more."""
TOTAL = 64 << 30
"""Bytes of all files."""

_FILES = {README, REQUIREMENTS, "sbom.cdx.json", "LICENCES.md", "licences.json"}
_FOLDERS = {BUNDLE, "cards", IMAGE, "licences", SAMPLES, WHEELS}
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!-]*(?<!\.)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?<!\.)")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEEPEST = 4
_LONGEST = 150


@dataclass(frozen=True)
class Entry:
    """One file."""

    __pydantic_config__ = STRICT
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if not 0 <= self.size <= LARGEST:
            raise ValueError(f"a size must lie in 0..{LARGEST} bytes, it is {self.size}")
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256 must be 64 hex digits in lower case")


@dataclass(frozen=True)
class Detector:
    """The bundle inside. Its digest vouches for its files by itself, see :mod:`kit.bundle`."""

    __pydantic_config__ = STRICT
    name: str
    sha256: str
    model: str
    licence: str

    def __post_init__(self) -> None:
        _require_printable(self.name, self.model, self.licence)
        if not _SHA256.fullmatch(self.sha256):
            raise ValueError("sha256 must be 64 hex digits in lower case")


@dataclass(frozen=True)
class Target:
    """The machine the wheels are for.

    Attributes:
        python: ``3.11``.
        machine: as ``uname -m`` tells it; only Linux is packed for.
    """

    __pydantic_config__ = STRICT
    python: str
    machine: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"3\.\d{1,2}", self.python):
            raise ValueError(f"python must be like 3.11, it is {self.python!r}")
        if not re.fullmatch(r"[a-z0-9_]+", self.machine):
            raise ValueError(f"machine must be like x86_64, it is {self.machine!r}")


@dataclass(frozen=True)
class Manifest:
    """What a parcel is.

    Attributes:
        name: of the folder in the archive.
        files: by path below it, but for manifest, signature and sums.
        lock: name of the lock the wheels are of, and ``target`` whom they are for; None without.
        image: reference with digest of a container image that goes with it, which is also the name
            to find one by that lies inside as an archive; empty without.
    """

    __pydantic_config__ = STRICT
    name: str
    bundle: Detector
    files: Mapping[str, Entry]
    lock: str | None = None
    target: Target | None = None
    image: str = ""
    made_by: str = ""
    schema: int = 1

    def __post_init__(self) -> None:
        _require_printable(self.lock or "", self.image, self.made_by)
        if wrong := unfit(self.name, self.files):
            raise ValueError("; ".join(wrong))

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files.values())

    def inside(self, folder: str) -> list[str]:
        """Paths of the files in one of its folders."""
        return sorted(path for path in self.files if path.startswith(f"{folder}/"))


def unfit(name: str, files: Mapping[str, Entry]) -> list[str]:
    """What is wrong with names and sizes; nothing for a sound parcel."""
    wrong = [] if _NAME.fullmatch(name) else [f"not a name for its folder: {name!r}"]
    if len(files) > MOST_FILES:
        wrong.append(f"{len(files)} files, more than the limit of {MOST_FILES}")
    if (total := sum(entry.size for entry in files.values())) > TOTAL:
        wrong.append(f"{total} bytes in all, more than the limit of {TOTAL}")
    wrong += [f"not a path that a parcel may hold: {path!r}" for path in files if not _sound(path)]
    wrong += [f"two names that are one on some disks: {path!r}" for path in _alike(files)]
    if README not in files:
        wrong.append(f"it has no {README}")
    return wrong[:20]


def read_manifest(data: bytes, where: object) -> Manifest:
    """Parse and check a manifest.

    Raises:
        ParcelError: not one, one that this version can't read, or with a name that is refused.
    """
    try:
        told = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ParcelError(f"its manifest can't be read ({error})", where=where) from error
    schema = told.get("schema") if isinstance(told, dict) else None
    if schema != 1 or isinstance(schema, bool):
        raise ParcelError(
            f"its manifest has schema {schema!r}, this version reads schema 1",
            where=where,
            fix="unpack it with the version of the kit that packed it, or a newer one",
        )
    found = bind(Manifest, told, where=where, error=ParcelError)
    if manifest_bytes(found) != data:  # a key that stands there twice, say, and readers differ
        raise ParcelError("its manifest is not written as `kit pack` writes it", where=where)
    return found


def manifest_bytes(manifest: Manifest) -> bytes:
    """The one way to write it."""
    return json_bytes({**plain(manifest), "files": dict(sorted(plain(manifest)["files"].items()))})


def sums_bytes(manifest: bytes, files: Mapping[str, Entry]) -> bytes:
    """``SHA256SUMS``, as ``sha256sum --check`` reads it: of the manifest and all it names.

    It is what a signature is over, so that it can be checked without the kit as well.
    """
    digests = {path: entry.sha256 for path, entry in files.items()}
    digests[MANIFEST] = hashlib.sha256(manifest).hexdigest()
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests)).encode()


def _sound(path: str) -> bool:
    """Whether a path may be in a parcel: on any system it is one plain file, below its folder."""
    parts = path.split("/")
    known = path in _FILES if len(parts) == 1 else parts[0] in _FOLDERS
    return (
        known
        and len(parts) <= _DEEPEST
        and len(path) <= _LONGEST
        and all(_PART.fullmatch(part) and not _DEVICES.fullmatch(part) for part in parts)
    )


def _alike(paths: Iterable[str]) -> list[str]:
    """Names that a disk which ignores case would take for one, or for both file and folder."""
    spelt: dict[str, set[str]] = {}
    for path in paths:
        parts = path.split("/")
        for count in range(1, len(parts)):
            folder = "/".join(parts[:count])
            spelt.setdefault(folder.casefold(), set()).add(f"{folder}/")
        spelt.setdefault(path.casefold(), set()).add(path)
    return sorted(name for names in spelt.values() if len(names) > 1 for name in names)


def _require_printable(*texts: str) -> None:
    """What is shown on a terminal may not steer it."""
    for text in texts:
        if not text.isprintable() or len(text) > _LONGEST * 2:
            raise ValueError(f"not a short, printable text: {text[:40]!r}")
