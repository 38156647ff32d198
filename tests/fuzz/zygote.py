"""Tries parsers, each in a process of its own that is forked from one in which all is imported.

    python -m fuzz.zygote < JOBS > OUTCOMES

Jobs are a JSON list of ``{"target": NAME, "examples": N, "seconds": S, "seed": K}`` or ``{"nasty":
NAME}``. An outcome says how many files were tried, how much memory that took, and what went wrong:
an error that is none of the kit's, a crash, a hang, or a flood.
"""

from __future__ import annotations

import base64
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

HANG = 10
"""Seconds of computing one file may take; six times as many of waiting."""

MEMORY = 2 << 30
"""Bytes of address space a parser may take beyond what its libraries have when they are loaded."""

FLOOD = 1 << 30
"""Bytes of real memory."""

LOADED = (
    "PIL.Image", "cv2", "numpy", "kit.pixels", "kit.data.source", "kit.data.doctor",
    "kit.data.formats.coco", "kit.data.formats.voc", "kit.data.formats.yolo", "kit.data.fetch",
    "kit.bundle", "kit.report.dossier", "kit.report.film", "kit.evaluate.report", "kit.app.chain",
    "kit.signature", "kit.runtime.stream", "kit.runtime.backends.onnxruntime", "onnxruntime",
    "kit.families.checkpoint", "kit.finetune.state", "kit.finetune.distance", "kit.study.results",
    "kit.study.study", "kit.app.feedback", "kit.app.feedback_routes", "kit.app.frames",
    "fuzz.faulty", "fuzz.mutations", "fuzz.nasty",
)  # fmt: skip


def main() -> None:
    for name in LOADED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"without {name}: {error}", file=sys.stderr)
    _warm()
    jobs = json.load(sys.stdin)
    at_once, waiting, running = os.cpu_count() or 1, list(enumerate(jobs)), {}
    outcomes: list[Any] = [None] * len(jobs)
    while waiting or running:
        while waiting and len(running) < at_once:
            place, job = waiting.pop(0)
            folder = Path(tempfile.mkdtemp(prefix="kit-fuzz-"))
            running[_fork(job, folder)] = (place, job, folder)
        pid, status, usage = os.wait3(0)
        place, job, folder = running.pop(pid)
        outcomes[place] = {**job, **_outcome(folder, status), "peak": usage.ru_maxrss * 1024}
        _remove(folder)
    json.dump(outcomes, sys.stdout)


def _warm() -> None:
    """Make hypothesis read its tables once, not in every process."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    @settings(max_examples=3, database=None)
    @given(st.text(), st.floats())
    def draw(text: str, number: float) -> None:
        pass

    draw()


def _fork(job: dict[str, Any], folder: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.chdir(folder)
        log = os.open("log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        told = _nasty(job) if "nasty" in job else _fuzz(job)
        (folder / "told").write_text(json.dumps(told))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _fuzz(job: dict[str, Any]) -> dict[str, Any]:
    """Rounds of examples until the seconds are over; at least one."""
    from hypothesis import HealthCheck, Phase, given, seed, settings

    from fuzz.faulty import FAULTY
    from fuzz.mutations import files_for
    from fuzz.targets import BY_NAME
    from kit.errors import KitError

    target = {**BY_NAME, **FAULTY}[job["target"]]
    answers: Counter[str] = Counter()
    before, began, current = _resident(), time.monotonic(), Path("current")

    def attempt(data: bytes) -> None:
        current.write_bytes(data)
        folder = Path("files")
        _remove(folder)
        folder.mkdir()
        _watch(job.get("hang", HANG))
        try:
            target.parse(data, folder)
            answers["read"] += 1
        except KitError as error:
            if not str(error).strip() or error.exit_code not in (1, 2, 3):
                raise AssertionError(f"an error that tells nothing: {error!r}") from error
            answers["refused"] += 1
        finally:
            _watch(0)

    rounds = 0
    while not rounds or time.monotonic() - began < job.get("seconds", 0):
        tried = settings(
            max_examples=job.get("examples", 100), database=None, deadline=None,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        )(given(files_for(target))(attempt))  # fmt: skip
        try:
            for whole in target.seeds():
                attempt(whole)
            seed(job.get("seed", 0) + rounds)(tried)()
        except BaseException:
            example = base64.b64encode(current.read_bytes()[:3000]).decode()
            return {"tried": sum(answers.values()), "fault": _told(), "file": example, "flood": 0}
        rounds += 1
    return {"tried": sum(answers.values()), "answers": dict(answers), "fault": None,
            "flood": _resident() - before, "seconds": time.monotonic() - began}  # fmt: skip


def _watch(seconds: float) -> None:
    """Have the process killed when it has computed for so long, or waited six times as long."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds)


def _nasty(job: dict[str, Any]) -> dict[str, Any]:
    from fuzz.nasty import CASES
    from kit.errors import KitError

    folder, before = Path("files"), _resident()
    folder.mkdir()
    look = CASES[job["nasty"]].build(folder)
    built = max(0, _resident() - before)  # what the making of it took
    began = time.monotonic()
    _watch(HANG)
    fault = answer = None
    try:
        answer = f"read: {look()}"[:500]
    except KitError as error:
        answer = f"refused ({error.exit_code}): {error}"[:2000]
    except BaseException:
        fault = _told()
    _watch(0)
    flood, seconds = _resident() - before - built, time.monotonic() - began
    return {"answer": answer, "fault": fault, "flood": flood, "seconds": seconds}


def _told() -> str:
    """The error at hand, without what hypothesis has to say: the whole file."""
    error = sys.exception() if sys.version_info >= (3, 11) else sys.exc_info()[1]
    assert error is not None
    error.__dict__.pop("__notes__", None)
    return "".join(traceback.format_exception(error, limit=-6))


def _outcome(folder: Path, status: int) -> dict[str, Any]:
    told = folder / "told"
    if told.exists():
        return dict(json.loads(told.read_text()))
    number = os.waitstatus_to_exitcode(status)
    how = "it hung" if number in (-signal.SIGALRM, -signal.SIGPROF) else f"it crashed ({number})"
    current, log = folder / "current", folder / "log"
    example = base64.b64encode(current.read_bytes()[:3000]).decode() if current.exists() else ""
    said = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    return {"tried": 0, "fault": f"{how}\n{said}", "file": example, "flood": 0}


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
