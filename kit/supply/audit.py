"""Known weaknesses of what the locks would bring, by pip-audit, which asks a service about each.

    python -m kit.supply.audit requirements/*.txt        # make audit

Exit code 0: all were looked up, and nothing is known of them. 3: something is, and it is printed.
1: not all could be looked up, for want of a connection or since the service doesn't know them. CI
does not depend on it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.errors import GateRefused, KitError, MissingPackage, RunFailed
from kit.supply.lock import read_lock

_LONGEST = 600
"""Seconds for one lock."""


@dataclass(frozen=True)
class Audit:
    """Of one lock.

    Attributes:
        known: ``NAME VERSION: WEAKNESS (fixed in ...)``.
        skipped: packages that the service could not tell about.
    """

    lock: str
    packages: int
    known: tuple[str, ...]
    skipped: tuple[str, ...]


def audit(lock: Path) -> Audit:
    """Ask about every package of a lock.

    Raises:
        MissingPackage: pip-audit is not installed.
        RunFailed: it gave no answer, mostly for want of a connection.
        UsageError: not a lock.
    """
    read_lock(lock)
    if find_spec("pip_audit") is None:
        raise MissingPackage("pip-audit", "dev")
    command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
    command += ["--require-hashes", "--disable-pip", "--requirement", str(lock)]
    try:
        told = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_LONGEST
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailed(f"no answer within {_LONGEST} s", where=lock) from error
    try:
        return _read(lock, json.loads(told.stdout))
    except (ValueError, KeyError, TypeError) as error:
        reason = (told.stderr.strip().splitlines() or ["it said nothing"])[-1]
        if "Connection" in reason or "resolve" in reason or "timed out" in reason.lower():
            reason = "there is no connection to the service that knows weaknesses"
        raise RunFailed(
            f"could not be audited: {reason}", where=lock, fix="try again with a connection"
        ) from error


def _read(lock: Path, answer: dict[str, Any]) -> Audit:
    listed = answer["dependencies"]
    known = [
        f"{each['name']} {each['version']}: {one['id']}"
        + (f" (fixed in {', '.join(one['fix_versions'])})" if one.get("fix_versions") else "")
        for each in listed
        for one in each.get("vulns", [])
    ]
    skipped = [each["name"] for each in listed if "skip_reason" in each]
    return Audit(lock.name, len(listed), tuple(known), tuple(skipped))


def require_clean(found: Sequence[Audit]) -> None:
    """Make sure that all was looked up and nothing is known.

    Raises:
        GateRefused: weaknesses are known.
        RunFailed: some packages could not be looked up; that is no clean bill.
    """
    if known := sorted({text for each in found for text in each.known}):
        raise GateRefused("\n  ".join([f"{len(known)} known weakness(es)", *known]))
    if skipped := sorted({name for each in found for name in each.skipped}):
        names = ", ".join(skipped[:9]) + (", ..." if len(skipped) > 9 else "")
        raise RunFailed(
            f"{len(skipped)} package(s) could not be looked up: {names}",
            fix="ask a service that knows them: the registry in use may keep no such records",
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit codes are those of :mod:`kit.errors`."""
    parser = argparse.ArgumentParser(
        prog="python -m kit.supply.audit",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("locks", nargs="+", type=Path, metavar="LOCK")
    args = parser.parse_args(argv)
    try:
        found = [audit(lock) for lock in args.locks]
        require_clean(found)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for each in found:
        print(f"{each.lock}: nothing is known of its {each.packages} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
