"""What becomes of pictures: nothing comes back that was not asked for, nothing stays anywhere."""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

READY = ".kit-viewer[data-ready]"
Visit = Callable[..., Any]


def show(page: Any, path: Path) -> None:
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", str(path))


def gigantic(path: Path, side: int = 30_000) -> Path:
    """A PNG of 900 megapixels that begins well: some hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000), 9)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


@pytest.fixture
def with_exif(tmp_path: Path) -> Path:
    """A picture that tells where, when, of whom and by whom it was taken."""
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "patient DOE, Jane", "Dr Roe"
    exif[0x8825] = {1: "N", 2: (51.0, 30.0, 0.0), 3: "W", 4: (0.0, 7.0, 0.0)}
    exif[0x0112] = 6  # and lies on its side
    path = tmp_path / "DOE Jane 1970.jpg"
    picture = Image.fromarray(np.full((80, 120, 3), 153, np.uint8))
    picture.save(path, exif=exif, comment=b"patient DOE", quality=95)
    assert b"DOE" in path.read_bytes()
    return path


def test_what_a_file_tells_beside_its_pixels_does_not_come_back(
    served: Any, visit: Visit, with_exif: Path
) -> None:
    page = visit(served)
    show(page, with_exif)
    page.wait_for_selector(READY)
    address = page.get_by_role("link", name="JSON").get_attribute("href").rpartition("/")[0]
    for name in ("picture.png", "findings.json", "findings.csv", "print"):
        answer = page.request.get(f"{served.url}/{address}/{name}")
        assert answer.headers["cache-control"] == "no-store"
        assert b"DOE" not in answer.body() + str(answer.headers).encode(), name
        assert b"Exif" not in answer.body()
    drawn = page.request.get(f"{served.url}/{address}/picture.png").body()
    upright = cv2.imdecode(np.frombuffer(drawn, np.uint8), cv2.IMREAD_COLOR)
    assert upright is not None
    assert upright.shape[0] > upright.shape[1]
    assert "DOE" not in page.content()
    assert "DOE" not in served.log.read_text()


def test_a_picture_that_would_fill_the_memory(served: Any, visit: Visit, tmp_path: Path) -> None:
    def resident() -> int:
        text = Path(f"/proc/{served.process.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", text)[0])

    before = resident()
    page = visit(served)
    show(page, gigantic(tmp_path / "bomb.png"))
    page.wait_for_selector(".kit-warning")
    assert "could not be looked at" in page.locator(".kit-warning").inner_text()
    assert resident() - before < 500_000  # kB; all of it would be 2.7 GB
    assert not served.temporary


def test_nothing_of_a_visitor_is_kept_by_the_browser(
    served: Any, visit: Visit, with_exif: Path
) -> None:
    page = visit(
        served, "/login-of-nobody"
    )  # any page, so that what follows is seen from its start
    answers: list[Any] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(served.url)
    show(page, with_exif)
    page.wait_for_selector(READY)
    own = [a for a in answers if not re.search(r"/(assets|static)/|^(data|blob):", a.url)]
    assert any("/kit/look" in answer.url for answer in own)
    for answer in own:
        assert answer.headers["cache-control"] == "no-store", answer.url
    assert not page.evaluate("localStorage.length + sessionStorage.length")
    assert not page.context.cookies()


@pytest.fixture
def own_home(bundle: Path, tmp_path: Path) -> Iterator[Any]:
    """A server in a home of its own."""
    folders = {name: tmp_path / name for name in ("home", "tmp", "work")}
    for folder in folders.values():
        folder.mkdir()
    log = tmp_path / "log"
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folders["home"]),
        "KIT_CACHE": str(tmp_path / "cache"),  # matplotlib's list of fonts
        "TMPDIR": str(folders["tmp"]),
    }
    started: list[subprocess.Popen[bytes]] = []

    def start() -> tuple[subprocess.Popen[bytes], str]:
        command = [sys.executable, "-m", "kit.cli.root", "serve", str(bundle), "--port", "0"]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                env=variables,
                cwd=folders["work"],
                stdout=file,
                stderr=file,
                # ignored where the tests themselves run in the background
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        started.append(process)
        end = time.monotonic() + 60
        while time.monotonic() < end and process.poll() is None:
            if found := re.search(r"serving on (http://\S+)", log.read_text()):
                return process, found[1]
            time.sleep(0.1)
        raise AssertionError(log.read_text())

    yield start, folders, log
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def left(process: subprocess.Popen[bytes]) -> list[Path]:
    return list(Path("/dev/shm").glob(f"kit-app-{process.pid}-*"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_ends_without_a_trace(own_home: Any, number: int, code: int, with_exif: Path) -> None:
    start, folders, log = own_home
    process, url = start()
    assert left(process)
    request = urllib.request.Request(f"{url}/kit/look", with_exif.read_bytes())
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200
    with urllib.request.urlopen(url) as answer:
        assert answer.status == 200
    process.send_signal(number)
    assert process.wait(20) == code
    assert not left(process)
    for name, folder in folders.items():
        assert not list(folder.rglob("*")), name
    assert "Traceback" not in log.read_text()


def test_what_a_killed_one_left_is_removed_by_the_next(own_home: Any) -> None:
    start, _, _ = own_home
    killed, _ = start()
    (folder,) = left(killed)
    (folder / "frame.png").write_bytes(b"a picture")
    process, _ = start()
    assert folder.exists()  # the first still lives
    killed.kill()
    killed.wait()
    process.send_signal(signal.SIGINT)
    process.wait(20)
    assert folder.exists()
    start()
    assert not folder.exists()
