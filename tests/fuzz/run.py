"""Start a zygote and hear what came of its jobs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]


def run(jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outcomes of the jobs, in their order; see :mod:`fuzz.zygote`."""
    path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.zygote"],
        input=json.dumps(list(jobs)), env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    outcomes: list[dict[str, Any]] = json.loads(done.stdout)
    return outcomes


def lacks(needs: Sequence[str]) -> list[str]:
    """Packages that are not installed."""
    return [name for name in needs if find_spec(name) is None]
