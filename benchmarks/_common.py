"""What the scripts share: processes of their own, the ratio of two columns of times, the report."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from kit import offline
from kit.errors import KitError, MissingPackage, RunFailed, UsageError

offline.seal("onnxruntime")  # some sides import ONNX Runtime without the kit

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PACKAGES = ("torch", "ultralytics", "onnxruntime", "onnx", "numpy", "opencv-python-headless")
RESAMPLES, LEVEL = 2000, 0.95


@dataclass(frozen=True)
class Limit:
    """A promise: ``value`` is at most ``at_most``."""

    what: str
    value: float
    at_most: float

    @property
    def kept(self) -> bool:
        return self.value <= self.at_most

    def __str__(self) -> str:
        verdict = "kept" if self.kept else "NOT KEPT"
        return f"{self.what}: {self.value:.3f}, promised at most {self.at_most:g}: {verdict}"


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians and its bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


def paired_ratio(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Ratio:
    """Median of ours over median of theirs.

    The interval is the percentile bootstrap (Efron and Tibshirani, 1993) over pairs: a pair was
    measured in one turn, so what else the machine did then stays with both.
    """
    import numpy as np

    pairs = np.array([ours, theirs], np.float64)
    drawn = np.random.default_rng(seed).integers(0, pairs.shape[1], (RESAMPLES, pairs.shape[1]))
    medians = np.median(pairs[:, drawn], axis=2)
    low, high = np.quantile(medians[0] / medians[1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = statistics.median(ours) / statistics.median(theirs)
    return Ratio(value, float(low), float(high))


def parser(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the script's manual page, and where its report goes."""
    made = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    made.add_argument(
        "--out", type=Path, default=RESULTS, metavar="DIR", help="of the report (docs/results)"
    )
    return made


def at_least(args: argparse.Namespace, **least: int) -> None:
    """Refuse options below their least value.

    Raises:
        UsageError: naming the option.
    """
    for name, value in least.items():
        given = getattr(args, name)
        if given is not None and given < value:
            raise UsageError(f"must be at least {value}, it is {given}", where=f"--{name}")


def require_vendor() -> None:
    """Raise where the vendor is not installed.

    Raises:
        MissingPackage: ultralytics.
    """
    if find_spec("ultralytics") is None:
        raise MissingPackage("ultralytics", "ultralytics")


def alone(work: Callable[..., T], *args: Any) -> T:
    """Call a function in a fresh process, so that nothing of one side is loaded beside the other.

    Raises:
        RunFailed: the process died.
    """
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return pool.submit(work, *args).result()
    except BrokenProcessPool as error:
        raise RunFailed(f"the process of {work.__name__} died") from error


def kit_answers(*words: str) -> Any:
    """Run a command of the kit in a process of its own; what it answers to ``--json``."""
    print("kit", *words, flush=True)
    command = [sys.executable, "-m", "kit.cli.root", *words, "--json", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, env=environment)
    if done.returncode:
        raise RunFailed(f"kit {words[0]} ended with {done.returncode}")
    return json.loads(done.stdout)


def write_report(
    name: str,
    title: str,
    summary: str,
    tables: Sequence[Any],
    limits: Sequence[Limit],
    raw: Mapping[str, Any],
    *,
    threads: int | None,
    out: Path,
    html: bool = False,
) -> int:
    """Print the limits; write ``NAME.md`` for people and ``NAME.json`` with every number.

    Args:
        tables: sections of :mod:`kit.report.page`.
        threads: on each side.
        html: write ``NAME.html`` too, which also shows plots and pictures.

    Returns:
        The script's exit code: 3 where a limit is not kept.
    """
    from kit.bench.environment import environment
    from kit.files import write_json, write_text
    from kit.report.markdown import render_markdown
    from kit.report.page import Facts, Page, Table, Text

    machine = environment(threads)
    machine.pop("packages")
    versions = {package: found for package in PACKAGES if (found := _version(package))}
    when = datetime.now(timezone.utc).isoformat(timespec="minutes")
    commit = machine.pop("commit")
    command = shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]])
    promises = Table(
        "Promises",
        ("what", "measured", "at most", "kept"),
        [(x.what, round(x.value, 3), x.at_most, "yes" if x.kept else "no") for x in limits],
    )
    page = Page(
        title,
        summary,
        [
            *([promises] if limits else []),
            *tables,
            Facts(
                "Measured on",
                [*machine.items(), *versions.items(), ("date", when), ("commit", commit)],
            ),
            Text(
                "Once more",
                [f"Every number is in {name}.json, beside this file."],
                code=command,
            ),
        ],
    )
    write_text(out / f"{name}.md", render_markdown(page))
    if html:
        from kit.report.html import write_html

        write_html(out / f"{name}.html", page)
    kept = [{**asdict(limit), "kept": limit.kept} for limit in limits]
    facts = {"command": command, "date": when, "commit": commit}
    write_json(
        out / f"{name}.json",
        {
            "benchmark": name,
            **facts,
            "machine": machine,
            "versions": versions,
            "promises": kept,
            **raw,
        },
    )
    for limit in limits:
        print(limit)
    print(f"report: {out / name}.md")
    return 0 if all(limit.kept for limit in limits) else 3


def finish(script: Callable[[], int]) -> None:
    """Run a script's main function; its mistakes end as one message and an exit code."""
    try:
        sys.exit(script())
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
