"""Visitors who stream their cameras to `kit serve` at once: rates, ages, fairness and memory.

Each visitor is a WebSocket on 127.0.0.1 that does what the page's script does: a camera of 30
frames a second, pictures of BCCD (KIT_DATA) as JPEG, at most two under way, the second when the
first is expected to be done soon, a newer frame in place of one that waits. The server is a process
of its own; its resident memory is read each second. Before that, one visitor in Debian's Chromium,
whose camera plays the same pictures: frames a second, and their age from the camera to boxes on the
screen, as the page itself tells them.

Without --bundle, the vendor's official YOLOv8n (COCO weights, KIT_WEIGHTS) at 416 px, exported by
the kit. Visitors and browser run on the cores that the server has, and take their share of them.

Promised: no error; the fastest visitor has at most 1.25 times the frames of the slowest; memory
grows by at most 5 % from a tenth of the time to the end; and the browser waits at most 0.1 s for
each frame. Six minutes; the machine must do nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from _camera import chromium, jpegs, write_camera
from _common import Limit, alone, at_least, finish, parser, write_report
from _predictors import MODEL, export_ours
from _visitor import RATE, Visitor, stream

if TYPE_CHECKING:
    from kit.report.page import Cell

SIZE = 416
STARTS_WITHIN, ENDS_WITHIN = 120.0, 20.0  # seconds
UNFAIR, GROWTH, BROWSER = 1.25, 1.05, 0.1
PICTURES = 60


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--visitors", type=int, default=8, metavar="N", help="(8)")
    options.add_argument("--seconds", type=int, default=300, metavar="S", help="(300)")
    options.add_argument("--browser-seconds", type=int, default=30, metavar="S", help="(30)")
    options.add_argument("--bundle", type=Path, metavar="DIR", help="another detector")
    options.add_argument("--threads", type=int, default=2, metavar="N", help="of the server (2)")
    args = options.parse_args()
    at_least(args, visitors=1, seconds=10, browser_seconds=10, threads=1)
    frames = jpegs(PICTURES)
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        bundle = args.bundle or exported(Path(folder) / MODEL)
        with serving(bundle, args.threads, args.visitors, Path(folder)) as (url, process):
            camera = write_camera(frames, Path(folder) / "camera.mjpeg")
            browser = in_browser(url, camera, args.browser_seconds)
            visitors, memory = asyncio.run(load(url, process.pid, frames, args))
    return report(args, bundle.name, browser, visitors, memory)


def exported(out: Path) -> Path:
    """The official network at 416 px, of a process that goes: torch stays out of this one."""
    from kit.cards import ModelCard, load_card
    from kit.data.source import open_source
    from kit.weights import require

    weights = require(load_card(ModelCard, MODEL))
    return alone(export_ours, weights, open_source("coco128").classes, SIZE, out)


@contextmanager
def serving(
    bundle: Path, threads: int, visitors: int, folder: Path
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """``kit serve`` on a free port, until the end.

    Raises:
        RunFailed: it did not start, or died.
    """
    from kit.errors import RunFailed

    log = folder / "serve.log"
    words = ["serve", str(bundle), "--port", "0", "--threads", str(threads)]
    command = [sys.executable, "-m", "kit.cli.root", *words, "--visitors", str(visitors + 1)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + STARTS_WITHIN
        while not (found := re.search(r"serving on (http://\S+)", log.read_text())):
            if process.poll() is not None or time.monotonic() > end:
                raise RunFailed(f"kit serve did not start: {log.read_text().strip()}")
            time.sleep(0.1)
        yield found[1], process
        if process.poll() is not None:
            raise RunFailed(f"kit serve died: {log.read_text().strip()}")
    finally:
        process.terminate()
        process.wait(ENDS_WITHIN)


async def load(
    url: str, pid: int, frames: Sequence[bytes], args: argparse.Namespace
) -> tuple[list[Visitor], list[float]]:
    """All visitors at once, and the server's memory in megabytes, each second."""
    end = time.monotonic() + args.seconds
    memory: list[float] = []

    async def weigh() -> None:
        import psutil

        server = psutil.Process(pid)
        while time.monotonic() < end:
            memory.append(server.memory_info().rss / 1e6)
            await asyncio.sleep(1)

    visitors = [Visitor() for _ in range(args.visitors)]
    address = url.replace("http", "ws", 1) + "/kit/live"
    shifted = [[*frames[index:], *frames[:index]] for index in range(len(visitors))]
    streams = (stream(*each, address, end) for each in zip(visitors, shifted, strict=True))
    await asyncio.gather(weigh(), *streams)
    return visitors, memory


def in_browser(url: str, camera: Path, seconds: int) -> dict[str, float] | None:
    """What the page tells of one visitor in a real browser; None where there is none here."""
    path = chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        return None
    if path is None:
        return None
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={camera}")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=flags)
        page = browser.new_context(permissions=["camera"]).new_page()
        page.goto(url)
        page.get_by_role("tab", name="Live camera").click()
        page.locator(".kit-start").click()
        page.locator(".kit-live .kit-box").first.wait_for(state="attached", timeout=60_000)
        page.wait_for_timeout(5000)  # the page's numbers are of the last five seconds
        told: dict[str, list[float]] = {"rate": [], "age": []}
        for _ in range(max(1, seconds // 5 - 1)):
            page.wait_for_timeout(5000)
            for name, values in told.items():
                text = page.locator(f'.kit-live [data-number="{name}"]').inner_text()
                values.append(float(text.split()[0]))
        browser.close()
    return {name: statistics.median(values) for name, values in told.items()}


def report(
    args: argparse.Namespace,
    bundle: str,
    browser: dict[str, float] | None,
    visitors: Sequence[Visitor],
    memory: Sequence[float],
) -> int:
    """Tables, promises and every number."""
    import numpy as np

    from kit.report.page import Table

    rates = [len(each.ages_ms) / args.seconds for each in visitors]
    rows: list[list[Cell]] = [
        [number, rate, *quantiles(each.ages_ms), 1 - len(each.ages_ms) / max(each.camera, 1)]
        for number, (each, rate) in enumerate(zip(visitors, rates, strict=True), 1)
    ]
    steady = memory[len(memory) // 10 :]
    slope = float(np.polyfit(np.arange(len(steady)) / 60, steady, 1)[0])
    at = {"start": memory[0], "a tenth": steady[0], "middle": memory[len(memory) // 2]}
    at["end"] = memory[-1]
    errors = [error for each in visitors for error in each.errors]
    limits = [
        Limit("errors", len(errors), 0),
        Limit("frames of the fastest visitor over the slowest's", fairness(rates), UNFAIR),
        Limit("memory at the end over that at a tenth", at["end"] / at["a tenth"], GROWTH),
    ]
    ages = quantiles([age for each in visitors for age in each.ages_ms])
    rows.append(["all", sum(rates), *ages, None])
    one: list[list[Cell]] = []
    if browser is not None:
        one.append([browser["rate"], browser["age"]])
        limits.append(Limit("seconds a frame in the browser", 1 / browser["rate"], BROWSER))
    tables = [
        Table(
            f"{len(visitors)} visitors at once, {args.seconds} s",
            ("visitor", "frames a second", "age p50, ms", "age p95, ms", "passed over"),
            rows,
            note="Age: from a frame's capture to its boxes. Passed over: share of the camera's "
            f"{RATE:g} frames a second that were never looked at, since a newer one was there.",
        ),
        Table(
            "Memory of the server",
            (*(f"{name}, MB" for name in at), "slope, MB a minute"),
            [[*at.values(), slope]],
            note="Resident, read each second; the slope is that of a line from a tenth on.",
        ),
        Table(
            "One visitor in Chromium",
            ("frames a second", "age p50, ms"),
            one,
            note="As the page tells; the age is to boxes on the screen."
            if one
            else "Not measured: there is no Chromium, or no playwright.",
        ),
    ]
    return write_report(
        "app-load",
        "Live cameras of several visitors",
        f"{bundle}, {len(visitors)} WebSockets with pictures of BCCD, and one real browser.",
        tables,
        limits,
        {
            "bundle": bundle,
            "seconds": args.seconds,
            "visitors": [
                {"rate": rate, "camera": each.camera, "errors": each.errors, "age_ms": ms}
                for each, rate in zip(visitors, rates, strict=True)
                for ms in [dict(zip(("p50", "p95"), quantiles(each.ages_ms), strict=True))]
            ],
            "memory_mb": [round(value, 1) for value in memory],
            "slope_mb_a_minute": slope,
            "browser": browser,
        },
        threads=args.threads,
        out=args.out,
    )


def fairness(rates: Sequence[float]) -> float:
    """The fastest over the slowest."""
    return max(rates) / min(rates) if min(rates) else float("inf")


def quantiles(values: Sequence[float]) -> list[float | None]:
    """Median and 95th percentile."""
    import numpy as np

    return [float(each) for each in np.quantile(values, [0.5, 0.95])] if values else [None, None]


if __name__ == "__main__":
    finish(main)
