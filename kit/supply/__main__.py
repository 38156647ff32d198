"""Write what is inside an environment and under which licence: for images and releases.

    python -m kit.supply OUT                             # of the environment that runs this
    python -m kit.supply OUT --environment /opt/venv --place edge-cpu
    python -m kit.supply OUT --lock requirements/edge-cpu.txt

Writes sbom.cdx.json (CycloneDX 1.6), LICENCES.md, licences.json and the texts into OUT. Exit code 3
where the policy (kit/supply/policy.yaml) is broken: then nothing is written. Needs the extra
`supply` only: requirements/supply.txt is a lock of it. Of a lock, licences are told as far as the
environment that runs this knows the packages. Only Python packages are told, not a system's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kit import __version__
from kit.errors import KitError
from kit.supply.inventory import installed
from kit.supply.lock import locked_components, read_lock
from kit.supply.report import write_report
from kit.supply.sbom import Subject


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit codes are those of :mod:`kit.errors`."""
    parser = argparse.ArgumentParser(
        prog="python -m kit.supply",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write into")
    parser.add_argument(
        "--environment", type=Path, metavar="DIR", help="virtual environment, or folder of packages"
    )
    parser.add_argument("--lock", type=Path, metavar="FILE", help="of what a lock would bring")
    parser.add_argument(
        "--place", metavar="NAME", help="which lock's rules hold (default: the lock's, else none's)"
    )
    parser.add_argument("--name", help="of what it is of (default: detector-kit-PLACE)")
    args = parser.parse_args(argv)
    try:
        place = args.place or (args.lock.stem if args.lock else "environment")
        pins = read_lock(args.lock) if args.lock else ()
        here = installed(args.environment)
        told = locked_components(pins, here) if args.lock else here
        subject = Subject(args.name or f"detector-kit-{place}", __version__, "Apache-2.0")
        write_report(args.out, subject, told, place)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"error: {error.filename or args.out}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{args.out}: {len(told)} packages, held to the policy for {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
