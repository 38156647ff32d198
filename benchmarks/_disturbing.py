"""What machines do to works besides killing them: full and read-only disks, too little memory,
clocks that jump, two processes in one folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from _whole import content, halves, parts
from _workshop import WORKS, Ended, Workshop, keeping

LINES = 400  # of the audit log

SITE = Path(__file__).parent / "_jumping"
"""Put on the path of a process, it makes its clock jump, or its workers' memory short."""

FULL = {
    "train": ("4k", "16m", "80m"),
    "export": ("4k", "8m"),
    "study": ("20m",),
    "feedback": ("4k", "600k"),
}
"""How large the disks are: with room for nothing, then for the first thing that is written but not
for the next."""


@dataclass(frozen=True)
class Row:
    """A work that was disturbed.

    Attributes:
        fault: what happened. work: what was at work.
        code, message: how it ended; of two processes, the second.
        told: whether that is as it should be: one message, or none where nothing was wrong.
        kept: whether all was whole then, and ended the same when it was gone on with.
        note: why it was not tried, or what differed.
    """

    fault: str
    work: str
    code: int | None
    message: str
    told: bool
    kept: bool
    note: str = ""


def rows(shop: Workshop) -> Iterator[Row]:
    """Every fault, one after another."""
    made = (
        full_disk,
        small_writes,
        full_log,
        read_only,
        killed_worker,
        short_memory,
        jumping_clock,
        two,
    )
    for each in made:
        yield from each(shop)


def full_disk(shop: Workshop, works: Sequence[str] = WORKS) -> Iterator[Row]:
    """Disks of several sizes; when there is room, the same command goes on."""
    for work in works:
        for size in FULL[work]:
            fault = f"the disk is full at {size}B"
            with disk(shop, size) as folder:
                if folder is None:
                    yield not_tried(fault, work)
                    continue
                out = f"{folder.name}/{work}"
                ended = shop.run(shop.command(work, out))
                broken = halves(folder)
                remount(folder, "size=500m")
                yield compared(shop, fault, work, out, ended, broken)


def small_writes(shop: Workshop) -> Iterator[Row]:
    """Reports, films, rows and audit logs on a disk with no room at all, or for a few lines."""
    film(shop.root / "film.mp4")
    works = {
        "evaluate --out": ("4k", ["evaluate", "onnx", "data", "--out", "{}/found.json"]),
        "detect pictures": ("4k", ["detect", "onnx", "smears/images", "--out", "{}/found"]),
        "detect a film": ("12k", ["detect", "onnx", "film.mp4", "--out", "{}/found"]),
        "detect a film, rows alone": (
            "12k", ["detect", "onnx", "film.mp4", "--no-draw", "--out", "{}/found"],
        ),
    }  # fmt: skip
    if not (shop.root / "onnx").exists():
        (shop.root / "onnx").symlink_to("export-whole/onnx")
    for work, (size, words) in works.items():
        fault = f"the disk is full at {size}B"
        with disk(shop, size) as folder:
            if folder is None:
                yield not_tried(fault, work)
                continue
            (folder / "filler").write_bytes(bytes(4096))
            typed = [word.format(folder.name) for word in words]
            ended = shop.kit(*typed, "--threads", "1")
            broken = halves(folder)
            shutil.rmtree(folder / "found", ignore_errors=True)
            remount(folder, "size=50m")
            again = shop.kit(*typed, "--threads", "1")
            kept = not broken and again.code == 0 and not halves(folder)
            note = "; ".join(broken) or (again.message if again.code else "")
            yield Row(fault, work, ended.code, ended.message, ended.is_one_message, kept, note)


def full_log(shop: Workshop) -> Iterator[Row]:
    """An audit log on a disk with room for some of its lines."""
    fault = "the disk is full at 64kB"
    with disk(shop, "64k") as folder:
        if folder is None:
            yield not_tried(fault, "audit log")
            return
        command = keeping("audit", f"{folder.name}/audit.jsonl", LINES)
        ended = shop.run(command)
        remount(folder, "size=50m")
        again = shop.run(command)
        checked = shop.kit("audit", "verify", f"{folder.name}/audit.jsonl")
        lines = (folder / "audit.jsonl").read_bytes().count(b"\n")
        kept = again.code == checked.code == 0 and lines >= LINES
        note = again.message or checked.message
        yield Row(fault, "audit log", ended.code, ended.message, ended.is_one_message, kept, note)


def read_only(shop: Workshop, works: Sequence[str] = (*WORKS, "train, under way")) -> Iterator[Row]:
    """Disks that become read-only: before anything is there, and when a run is under way."""
    fault = "the output is read-only"
    for work in works:
        with disk(shop, "500m") as folder:
            if folder is None:
                yield not_tried(fault, work)
                continue
            kind, out = work.partition(",")[0], f"{folder.name}/out"
            if kind != work:
                _until_saved(shop, out).kill()
                time.sleep(1)  # its worker has a file of the disk open until it sees
            remount(folder, "ro")
            ended = shop.run(shop.command(kind, out))
            remount(folder, "rw")
            yield compared(shop, fault, work, out, ended, halves(folder), kind=kind, code=2)


def killed_worker(shop: Workshop) -> Iterator[Row]:
    """What the system does when memory is short: one of the processes that draw is killed."""
    out = "train-worker"
    process = _until_saved(shop, out)
    while process.poll() is None:
        for child in psutil.Process(process.pid).children():
            child.kill()
            break
        else:
            time.sleep(0.002)
            continue
        break
    ended = Ended(process.wait(), (shop.root / "told.txt").read_text())
    broken = halves(shop.root / out)
    yield compared(shop, "a data worker is killed", "train", out, ended, broken, code=1)


def short_memory(shop: Workshop) -> Iterator[Row]:
    """A data worker to which the system gives no memory for a picture, from the second epoch on."""
    out = "train-memory"
    saved = shop.root / out / "state.pt"
    ended = shop.run(shop.command("train", out), **jumping(KIT_NO_MEMORY_AFTER=str(saved)))
    broken = halves(shop.root / out)
    yield compared(shop, "a data worker gets no memory", "train", out, ended, broken, code=1)


def jumping_clock(shop: Workshop, works: Sequence[str] = WORKS) -> Iterator[Row]:
    """A clock that jumps a day forward and back, again and again."""
    for work in works:
        out = f"{work}-clock"
        ended = shop.run(shop.command(work, out), **jumping(KIT_CLOCK_JUMPS="1"))
        same = content(shop.root / f"{work}-whole") == content(shop.root / out)
        yield Row("the clock jumps", work, ended.code, ended.message, ended.code == 0, same)
    command = keeping("audit", "audit-clock.jsonl", LINES)
    ended = shop.run(command, **jumping(KIT_CLOCK_JUMPS="1"))
    checked = shop.kit("audit", "verify", "audit-clock.jsonl")
    whole = checked.code == 0
    yield Row("the clock jumps", "audit log", ended.code, ended.message, ended.code == 0, whole)


def two(shop: Workshop, works: Sequence[str] = ("train", "study")) -> Iterator[Row]:
    """A second process in a folder that another is at work in."""
    fault = "two processes in one folder"
    for work in works:
        out = f"{work}-two"
        first = shop.start(shop.command(work, out), shop.root / "first.txt")
        while first.poll() is None and not (shop.root / out / ".lock").is_file():
            time.sleep(0.01)
        first.send_signal(signal.SIGSTOP)  # or it might be done before the second has begun
        second = shop.run(shop.command(work, out))
        first.send_signal(signal.SIGCONT)
        code = first.wait()
        differs = content(shop.root / f"{work}-whole") != content(shop.root / out)
        told = second.is_one_message and second.code == 2 and "another process" in second.message
        note = (shop.root / "first.txt").read_text()[-500:] if code else ""
        kept = code == 0 and not differs
        yield Row(fault, work, second.code, second.message, told, kept, note)
    yield _two_that_log(shop, fault)


def _two_that_log(shop: Workshop, fault: str) -> Row:
    command = keeping("audit", "audit-two.jsonl", 10**9)
    first = shop.start(command, shop.root / "first.txt")
    while first.poll() is None and not (shop.root / "audit-two.jsonl").is_file():
        time.sleep(0.01)
    time.sleep(0.5)
    second = shop.run(command)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    log = shop.root / "audit-two.jsonl"
    again = shop.run(keeping("audit", log.name, log.read_bytes().count(b"\n") + 10))
    checked = shop.kit("audit", "verify", log.name)
    told = second.is_one_message and second.code == 2
    kept = again.code == checked.code == 0
    return Row(fault, "audit log", second.code, second.message, told, kept)


def compared(
    shop: Workshop,
    fault: str,
    work: str,
    out: str,
    ended: Ended,
    broken: list[str],
    *,
    kind: str | None = None,
    code: int | None = None,
) -> Row:
    """Go on with a work that a fault has ended, and compare it with one left in peace.

    Args:
        code: the fault must have ended it with; None takes any that is an error.
    """
    again = shop.finish(kind or work, out)
    whole, now = content(shop.root / f"{kind or work}-whole"), content(shop.root / out)
    differs = sorted(name for name in {*whole, *now} if whole.get(name) != now.get(name))
    left = [path.name for path in parts(shop.root / out)]
    told = ended.is_one_message and (code is None or ended.code == code)
    kept = not (broken or again.code or differs or left)
    note = "; ".join([*broken, again.message, *differs, *left])
    return Row(fault, work, ended.code, ended.message, told, kept, note.strip("; "))


def not_tried(fault: str, work: str) -> Row:
    return Row(fault, work, None, "", True, True, "not tried: only root can mount a small disk")


@contextmanager
def disk(shop: Workshop, size: str) -> Iterator[Path | None]:
    """A file system in memory, below the workshop; None where none can be mounted."""
    folder = shop.root / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        folder.rmdir()
        yield None
        return
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def remount(folder: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(folder)], check=True)


def jumping(**switches: str) -> dict[str, str]:
    """Variables of a process that loads :data:`SITE` first."""
    from _common import ROOT

    return {"PYTHONPATH": f"{SITE}{os.pathsep}{ROOT}", **switches}


def film(path: Path) -> None:
    """Some seconds of a small film."""
    from contextlib import closing

    import numpy as np

    from kit.report.film import VideoWriter

    with closing(VideoWriter(path, 25)) as writer:
        for number in range(200):
            writer.write(np.full((96, 128, 3), number, np.uint8))


def _until_saved(shop: Workshop, out: str) -> subprocess.Popen[bytes]:
    """A training that has saved its first state."""
    process = shop.start(shop.command("train", out), shop.root / "told.txt")
    while process.poll() is None and not (shop.root / out / "state.pt").is_file():
        time.sleep(0.002)
    return process
