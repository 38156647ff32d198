"""How long the command line and the runtime take to start, each in a fresh process.

Measured: wall time of a Python that runs `kit --help`, of one that imports `kit.runtime`, and of
one that imports everything that opens and runs a bundle; medians of 20, after one that warms the
disk's cache. Promised: 0.3 s for the first, 0.5 s for the others, and no torch in any. Beside them,
a Python that does nothing, which is part of all.

Expect a quarter of a minute. On a busy machine the times are those of a busy machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

from _common import Limit, at_least, finish, parser, write_report

HELP = "kit --help"
RUNTIME = "import kit.runtime"
RUNNING = "import all that runs a bundle"
CODE = {
    "python alone": "pass",
    HELP: "from kit.cli.root import main; main(['--help'])",
    RUNTIME: RUNTIME,
    RUNNING: "import kit.door, kit.pixels, kit.runtime.backends.onnxruntime",
}
LIMITS = {HELP: 0.3, RUNTIME: 0.5, RUNNING: 0.5}
HEAVY = ("torch", "ultralytics", "albumentations")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--runs", type=int, default=20, metavar="N", help="of each (default 20)")
    args = options.parse_args()
    at_least(args, runs=1)
    from kit.report.page import Table

    seconds: dict[str, list[float]] = {}
    loaded: dict[str, list[str]] = {}
    for name, code in CODE.items():
        loaded[name] = heavy(code)
        run(code)
        seconds[name] = [run(code) for _ in range(args.runs)]
        print(f"{name}: {statistics.median(seconds[name]):.3f} s")
    rows: list[list[Any]] = [
        [name, statistics.median(times), min(times), max(times), ", ".join(loaded[name]) or "none"]
        for name, times in seconds.items()
    ]
    limits = [
        Limit(f"{name}, seconds", statistics.median(seconds[name]), most)
        for name, most in LIMITS.items()
    ]
    limits.append(Limit("training packages loaded", sum(map(len, loaded.values())), 0))
    return write_report(
        "startup",
        "Start-up",
        f"Wall time of fresh processes, {args.runs} of each.",
        [Table("Seconds", ("process", "median", "least", "most", "of torch and its like"), rows)],
        limits,
        {"seconds": seconds, "loaded": loaded},
        threads=None,
        out=args.out,
    )


def run(code: str) -> float:
    """Seconds from starting a Python with this code to its end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def heavy(code: str) -> list[str]:
    """Which of the training packages the code loads."""
    told = f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", told],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [name for name in HEAVY if name in done.stderr.split()]


if __name__ == "__main__":
    finish(main)
