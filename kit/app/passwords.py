"""Who may enter, in a file: a line for each user, with a hash that doesn't tell the password.

A line is ``name:scrypt$N$r$p$salt$digest``, the last two in base64; what begins with ``#`` is a
remark. Costs are those OWASP's Password Storage Cheat Sheet gives for scrypt; they stand in each
line, so that they can grow and old lines still hold.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.errors import UsageError
from kit.files import MOST_SMALL, read_limited, write_text

SHORTEST = 12
"""Characters of a password: there is no second factor."""

LONGEST = 1024
_NAME = re.compile(r"[\w.@+-]{1,64}")
_COSTS = (1 << 15, 8, 3)  # 32 MiB for each check
_MOST_MEMORY = 1 << 30
_SALT, _DIGEST = 16, 32  # bytes


@dataclass(frozen=True)
class Hashed:
    """A password that can be checked, not read.

    Attributes:
        cost, block, lanes: N, r and p of RFC 7914.
    """

    cost: int
    block: int
    lanes: int
    salt: bytes
    digest: bytes

    def fits(self, password: str) -> bool:
        """Whether it is this password; takes as long either way."""
        return hmac.compare_digest(self.digest, self._derive(password))

    @classmethod
    def of(cls, password: str) -> Hashed:
        """Hash a new password with a salt of its own.

        Raises:
            UsageError: too short, or absurdly long.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise UsageError(f"a password has {SHORTEST} to {LONGEST} characters")
        empty = cls(*_COSTS, secrets.token_bytes(_SALT), b"")
        return cls(*_COSTS, empty.salt, empty._derive(password))

    @classmethod
    def parse(cls, text: str) -> Hashed:
        """Read what :meth:`__str__` wrote.

        Raises:
            ValueError: it isn't that.
        """
        kind, *costs, salt, digest = text.split("$")
        if kind != "scrypt" or len(costs) != 3 or not all(re.fullmatch(r"\d+", c) for c in costs):
            raise ValueError("not a scrypt hash")
        cost, block, lanes = map(int, costs)
        # what the file says is computed by the server: it must not be made to compute for ever
        sound = cost > 1 and cost & (cost - 1) == 0 and block and 1 <= lanes <= 16
        if not sound or 128 * cost * block > _MOST_MEMORY:
            raise ValueError("costs that are not scrypt's")
        parsed = cls(cost, block, lanes, _bytes(salt), _bytes(digest))
        if len(parsed.salt) < _SALT or len(parsed.digest) != _DIGEST:
            raise ValueError("a salt or digest that was cut")
        return parsed

    def __str__(self) -> str:
        parts = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return "$".join(("scrypt", *map(str, (self.cost, self.block, self.lanes)), *parts))

    def _derive(self, password: str) -> bytes:
        # the same letters may be typed as other code points on another keyboard
        typed = unicodedata.normalize("NFKC", password[:LONGEST]).encode("utf-8", "replace")
        return hashlib.scrypt(
            typed,
            salt=self.salt,
            n=self.cost,
            r=self.block,
            p=self.lanes,
            maxmem=128 * self.block * (self.cost + self.lanes + 2) + (1 << 20),
            dklen=_DIGEST,
        )


def check_name(name: str) -> str:
    """A user's name.

    Raises:
        UsageError: it could not stand in the file.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            "a user's name has 1 to 64 letters, digits, or any of . _ @ + -", where=repr(name)
        )
    return name


def read_users(path: Path) -> dict[str, Hashed]:
    """All users of a file.

    Raises:
        UsageError: unreadable, or a line is damaged; the message names the line.
    """
    try:
        text = read_limited(path, MOST_SMALL).decode("utf-8")
    except OSError as error:
        raise UsageError(f"can't be read ({error.strerror})", where=path) from error
    except UnicodeDecodeError as error:
        raise UsageError("not a list of users: it is no text", where=path) from error
    users: dict[str, Hashed] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        where = f"{path}, line {number}"
        try:
            if not colon or not _NAME.fullmatch(name):
                raise ValueError("no user's name before a colon")
            hashed = Hashed.parse(rest.strip())
        except ValueError as error:
            fix = f"remove the line, and add the user again: kit passwd {path} USER"
            raise UsageError(f"not a user ({error})", where=where, fix=fix) from error
        if name in users:
            raise UsageError(f"a second line for {name}", where=where, fix="remove one of them")
        users[name] = hashed
    return users


def write_users(path: Path, users: Mapping[str, Hashed]) -> None:
    """Write all users at once, for the owner's eyes alone."""
    lines = [f"{name}:{hashed}\n" for name, hashed in sorted(users.items())]
    text = "# users of kit serve --auth-file; changed by kit passwd\n" + "".join(lines)
    write_text(path.resolve(), text, mode=0o600)  # a link stays a link


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error
