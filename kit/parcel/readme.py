"""README.txt of a parcel: for whoever unpacks it, on a machine that has no kit."""

from __future__ import annotations

from collections.abc import Collection

from kit.parcel.manifest import BUNDLE, IMAGE, SAMPLES, WHEELS
from kit.parcel.wheels import Wheels

_FIRST = """\
This folder holds a detector and what it needs to run without a network.

1. Check that nothing was damaged on the way (nothing is printed where all is well):

    sha256sum --check --quiet --strict SHA256SUMS
"""

_SIGNED = """
   SHA256SUMS is signed. With the public key of who made it, got by another way than this folder:

    sed -n 's/.*"signature": "\\(.*\\)".*/\\1/p' SHA256SUMS.sig | base64 -d > ../signature
    openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in SHA256SUMS -sigfile ../signature
"""

_UNSIGNED = """
   It is not signed: the sums tell damage, not who made it.
"""

_LAST = """
What is inside, under which licences: LICENCES.md and sbom.cdx.json. The detector's own card is
bundle/card.json.
"""


def text(name: str, paths: Collection[str], wheels: Wheels | None, *, signed: bool) -> bytes:
    """The file's content; ``paths`` are all others."""
    parts = [f"{name}\n\n", _FIRST, _SIGNED if signed else _UNSIGNED]
    commands = steps(paths, None if wheels is None else wheels.target.python)
    lines = "".join(f"    {command}\n" for command in commands)
    parts.append(f"\n2. What comes next; no command reaches for a network:\n\n{lines}")
    if not any(path.startswith((f"{IMAGE}/", f"{WHEELS}/")) for path in paths):
        parts.append("\n   It holds no software: this machine has to have the kit already.\n")
    return "".join((*parts, _LAST)).encode()


def steps(paths: Collection[str], python: str | None) -> list[str]:
    """Commands to type in the folder that was unpacked.

    Args:
        paths: of the files in it.
        python: version the wheels are for; None without wheels.
    """
    commands = []
    if python is None and not any(path.startswith(f"{IMAGE}/") for path in paths):
        return [f"kit verify {BUNDLE}"]
    has_samples = any(path.startswith(f"{SAMPLES}/") for path in paths)
    if python is not None:
        commands += [
            f"python{python} -m venv venv",
            "venv/bin/python -m pip install --no-index --find-links wheels --require-hashes "
            "--no-deps -r requirements.txt",
            f"venv/bin/kit verify {BUNDLE}",
        ]
        if has_samples:
            commands.append(f"venv/bin/kit detect {BUNDLE} {SAMPLES} --out found")
    if f"{IMAGE}/archive.tar" in paths:
        commands.append(f"docker load --input {IMAGE}/archive.tar")
    elif f"{IMAGE}/REFERENCE.txt" in paths:
        commands.append(f'docker image inspect "$(cat {IMAGE}/REFERENCE.txt)"')
    return commands
