"""Lines that vouch for each other: the form of the audit log, and what is wrong with a changed one.

A line is one event in canonical JSON. It holds its number (``seq``), the hash of the line before
(``previous``; the first has 256 random bits there, which name the file) and its own hash
(``sha256``, over everything else in it). So no line can be changed, taken out, put in or moved
without every later line being written anew (Schneier and Kelsey, Secure audit logs to support
computer forensics, 1999, without their secret key). What a chain can't show by itself is that its
end was cut off, or all of it made anew: for that its head, the hash of the last line, must be noted
in another place.

What a power cut left half-written stays where it is; the line after it is a ``recovered`` event
that holds its hash, so that it can't be changed later either.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from kit.files import canonical_json, sha256_json

RECOVERED = "recovered"

Kind = Literal["changed", "removed", "inserted", "reordered", "damaged", "half-written", "empty"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST = 1 << 20  # bytes of what may lie half-written between two lines


@dataclass(frozen=True)
class Fault:
    """The first place where a chain is broken.

    Attributes:
        line: in the file, counted from 1.
        kind: the likeliest reason; ``what`` says it in words.
    """

    line: int
    kind: Kind
    what: str


@dataclass(frozen=True)
class Chain:
    """What was read of a chain, up to its first fault.

    Attributes:
        entries: sound events.
        head: hash of the last of them; None where there is none.
        noted: line whose hash is the one that was asked for; None where there is none.
        events: how many of each kind.
        rest: bytes after the last sound line, of a write that did not end.
        fault: None for a whole chain.
    """

    entries: int
    head: str | None
    noted: int | None
    events: Mapping[str, int]
    rest: bytes
    fault: Fault | None


def line(seq: int, previous: str, facts: Mapping[str, Any]) -> tuple[bytes, str]:
    """An event as a line of the file, and its hash."""
    entry = {**facts, "seq": seq, "previous": previous}
    sha256 = sha256_json(entry)
    return canonical_json({**entry, "sha256": sha256}).encode() + b"\n", sha256


def read_file(path: Path, noted: str | None = None) -> Chain:
    """Follow the chain in a file, which may be as large as it likes.

    Args:
        noted: a hash to look for among the lines'.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return read(iter(lambda: file.readline(_LONGEST), b""), noted)


def read(lines: Iterable[bytes], noted: str | None = None) -> Chain:
    """Like :func:`read_file`, of lines with their newlines."""
    return _Reader(noted).follow(iter(lines))


def read_on(seq: int, head: str | None, data: bytes) -> Chain:
    """Follow a chain behind a line of it."""
    return _Reader(None, seq, head).follow(iter(data.splitlines(keepends=True)))


@dataclass
class _Reader:
    looked_for: str | None
    seq: int = 0
    head: str | None = None
    noted: int | None = None
    events: Counter[str] = field(default_factory=Counter)
    rest: bytes = b""
    rest_from: int = 0

    def follow(self, lines: Iterator[bytes]) -> Chain:
        for number, text in enumerate(lines, 1):
            entry = _entry(text)
            if entry is None:
                self.rest_from = self.rest_from or number
                self.rest += text
            fault = self._take(number, entry, text, lines) if entry else None
            if len(self.rest) > _LONGEST:
                fault = self._damaged()
            if fault:
                self.rest = b""  # more follows it: nothing that a power cut leaves
                return self._chain(fault)
        return self._chain(self._unended())

    def _take(
        self, number: int, entry: dict[str, Any], text: bytes, lines: Iterator[bytes]
    ) -> Fault | None:
        """Go on by one line, or say why it doesn't follow."""
        sound = _own_hash_fits(entry, text)
        recovers = sound and entry["event"] == RECOVERED
        if self.rest and not (recovers and _covers(entry, self.rest)):
            return self._damaged()
        if not sound:
            return Fault(number, "changed", "the line was changed: its own hash is another")
        if entry["seq"] != self.seq + 1:
            return self._misplaced(number, entry["seq"], lines)
        if self.head is not None and entry["previous"] != self.head:
            what = "it does not follow from the line before: one of the two was put in its place"
            return Fault(number, "inserted", what)
        if recovers and not self.rest:
            what = "the half-written line that it speaks of was taken out"
            return Fault(number, "removed", what)
        self.seq, self.head, self.rest, self.rest_from = entry["seq"], entry["sha256"], b"", 0
        self.events[str(entry["event"])] += 1
        if self.head == self.looked_for:
            self.noted = number
        return None

    def _misplaced(self, number: int, seq: int, lines: Iterator[bytes]) -> Fault:
        expected = self.seq + 1
        if seq <= self.seq:
            return Fault(number, "inserted", f"a line was put in: event {seq} stands twice")
        later = (entry for text in lines if (entry := _entry(text)) is not None)
        if any(entry.get("seq") == expected for entry in later):
            what = f"the lines were reordered: event {expected} comes later"
            return Fault(number, "reordered", what)
        gone = f"event {expected}" if seq == expected + 1 else f"events {expected} to {seq - 1}"
        return Fault(number, "removed", f"taken out before this line: {gone}")

    def _unended(self) -> Fault | None:
        if not self.rest:
            return None if self.seq else Fault(1, "empty", "there is no event in it")
        first, _, after = self.rest.partition(b"\n")
        if self.rest.endswith(b"\n") or after:
            return self._damaged()
        what = (
            f"the last line is half-written ({len(first)} bytes), as a power cut leaves it; "
            "`kit serve --audit` goes on behind it and says so in the log"
        )
        return Fault(self.rest_from, "half-written", what)

    def _damaged(self) -> Fault:
        return Fault(self.rest_from, "damaged", "the line was damaged: it is no event")

    def _chain(self, fault: Fault | None) -> Chain:
        return Chain(self.seq, self.head, self.noted, dict(self.events), self.rest, fault)


def begins(rest: bytes) -> bool:
    """Whether bytes look like the beginning of a line that was not written to its end; some file
    systems leave zeros where a power cut came between the length and the content."""
    written = rest.rstrip(b"\0")
    return written.startswith(b'{"') or written in (b"{", b"")


def is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


def fragment_facts(rest: bytes) -> dict[str, Any]:
    """What a ``recovered`` event says of the bytes before it."""
    return {"fragment_bytes": len(rest), "fragment_sha256": hashlib.sha256(rest).hexdigest()}


def _covers(entry: dict[str, Any], rest: bytes) -> bool:
    facts = fragment_facts(rest.removesuffix(b"\n"))  # the newline came with the recovery
    return all(entry.get(key) == value for key, value in facts.items())


def _entry(text: bytes) -> dict[str, Any] | None:
    """A line as an event; None where it isn't one, or was not written to its end."""
    if not text.endswith(b"\n"):
        return None
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and entry else None


def _own_hash_fits(entry: dict[str, Any], text: bytes) -> bool:
    """Byte for byte: a space more is a change too."""
    told = {"seq": int, "event": str, "previous": str, "sha256": str}
    if not all(type(entry.get(key)) is kind for key, kind in told.items()):
        return False
    try:
        own = {key: value for key, value in entry.items() if key != "sha256"}
        same = canonical_json(entry).encode() + b"\n" == text
        return same and is_sha256(entry["previous"]) and sha256_json(own) == entry["sha256"]
    except (ValueError, RecursionError):  # NaN
        return False
