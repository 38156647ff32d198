"""A served bundle and a real browser: Debian's Chromium, with a camera made of a file.

Every page fails its test when it asks any host but the server for anything, or when the browser's
console holds an error.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")

from doubles.graph import whole_picture_graph  # noqa: E402

from kit.bundle import BundleCard, save_bundle  # noqa: E402
from kit.cards import Input  # noqa: E402
from kit.data.source import open_source  # noqa: E402
from kit.errors import KitError  # noqa: E402
from kit.pixels import encode_picture, read_picture  # noqa: E402

STARTS_WITHIN = 60.0


@dataclass(frozen=True)
class Server:
    """A running ``kit serve``.

    Attributes:
        url: without a slash at its end.
        log: what it printed.
        temporary: the folder uploads pass through.
    """

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def temporary(self) -> list[Path]:
        """Files that lie in the process's own temporary folder now."""
        folders = Path("/dev/shm").glob(f"kit-app-{self.process.pid}-*")
        return [path for folder in folders for path in folder.rglob("*") if path.is_file()]


Serve = Callable[..., Server]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector that every test can tell the answers of: one box of each class around the whole
    picture, ``bright`` scores its brightness, ``dark`` its darkness."""
    directory = tmp_path_factory.mktemp("served") / "whole"
    card = BundleCard(
        name="whole picture",
        kind="onnx",
        family="none",
        model="whole",
        architecture="whole",
        licence="Apache-2.0",
        classes=("bright", "dark"),
        input=Input(size=64, fit="stretch"),
        suppress=None,
        weights="model.onnx",
        files={},
        boxes=1,
    )
    save_bundle(directory, card, {"model.onnx": whole_picture_graph(64)})
    return directory


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Starts ``kit serve`` with words of one's own, on a free port."""
    running: list[subprocess.Popen[bytes]] = []

    def start(*words: str | Path, url: str = "http://127.0.0.1") -> Server:
        log = tmp_path_factory.mktemp("log") / "serve.log"
        command = [sys.executable, "-m", "kit.cli.root", "serve", *map(str, words), "--port", "0"]
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                # ignored where the tests themselves run in the background
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        running.append(process)
        return Server(_address(process, log), process, log)

    yield start
    for process in running:
        process.send_signal(signal.SIGINT)
    for process in running:
        process.wait(20)


@pytest.fixture(scope="session")
def served(serve: Serve, bundle: Path) -> Server:
    """One server that tests share."""
    return serve(bundle)


@pytest.fixture(scope="session")
def camera_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the browser's camera shows, again and again, 30 frames a second: blood smears where
    ``KIT_DATA`` has them, else grey pictures, each brighter than the one before."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    path.write_bytes(b"".join(jpeg for jpeg in _frames() for _ in range(4)))
    return path


@pytest.fixture(scope="module")  # its event loop runs in this thread: no later module may meet it
def chromium(camera_film: Path) -> Iterator[Any]:
    """The browser, and its camera."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("there is no Chromium (apt install chromium)")
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={camera_film}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page of a server in a context of its own."""
    contexts: list[Any] = []
    strangers: list[str] = []
    complaints: list[str] = []

    def open_page(server: Server, path: str = "/", **options: Any) -> Any:
        context = chromium.new_context(permissions=["camera"], **options)
        contexts.append(context)
        page = context.new_page()
        home = urlsplit(server.url).netloc

        def asked(request: Any) -> None:
            where = urlsplit(request.url)
            if where.scheme not in ("data", "blob") and where.netloc != home:
                strangers.append(request.url)

        def said(message: Any) -> None:
            refused = "the server responded with a status of 4" in message.text  # on purpose
            if message.type == "error" and not refused:
                complaints.append(message.text)

        page.on("request", asked)
        page.on("websocket", asked)
        page.on("console", said)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not strangers, "the page asked somebody else"
    assert not complaints, "the browser complained"


def _frames() -> Iterator[bytes]:
    pictures = [np.full((480, 640, 3), 40 + 8 * step, np.uint8) for step in range(20)]
    if os.environ.get("KIT_DATA"):
        with suppress(KitError):  # other data may be there, and not these
            dataset = open_source("bccd")
            read = (read_picture(dataset.path(index)) for index in range(len(dataset)))
            smears = (picture for picture in read if picture.shape == pictures[0].shape)
            pictures = list(islice(smears, 20)) or pictures
    for picture in pictures:
        yield encode_picture(picture, ".jpg", quality=90)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < end:
        text = log.read_text()
        if found := re.search(r"serving on (https?://\S+)", text):
            return found[1]
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode}: {text}")
        time.sleep(0.1)
    raise AssertionError(f"it did not start: {log.read_text()}")
