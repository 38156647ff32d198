"""OpenCV's captures, opened so that they reach for nothing but what was named, and end in time."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: what goes wrong is raised, told once
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "5")
import cv2

TIMEOUT = 5.0
"""Seconds to wait for a network source to answer, and then for each frame."""

_PROTOCOLS = {
    "rtsp": "rtp,udp,tcp",
    "rtsps": "rtp,udp,tcp,tls",
    "http": "http,https,tcp,tls,crypto",
    "https": "https,tcp,tls,crypto",
}
"""What FFmpeg may open for an address of a kind; a playlist or a redirect could name others."""

_CONTAINERS = (
    "mov", "matroska", "avi", "asf", "mpeg", "mpegvideo", "mpegts", "m4v", "flv", "ogg",
)  # fmt: skip
"""Kinds of files that hold a video themselves. A playlist would name other files of this machine,
which whoever sent it may not see."""

_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
_THREADS = 2  # more decode later: each thread holds one frame back
_ONE_AT_A_TIME = Lock()  # options travel through the environment

SCHEMES = tuple(_PROTOCOLS)


def scheme(text: str) -> str | None:
    """What stands before ``://``, in lower case."""
    found = re.match(r"([a-zA-Z][\w+.-]*)://", text)
    return found[1].lower() if found else None


def shown(text: str) -> str:
    """An address without its user, password and query, which may hold a password too."""
    begin, mark, rest = text.partition("://")
    if not mark:
        return text
    _, at, rest = rest.rpartition("@")  # a password may hold any sign, the last @ ends it
    rest, *query = re.split(r"[?#]", rest, maxsplit=1)
    return f"{begin}://{'***@' if at else ''}{rest}{'?***' if query else ''}"


def open_file(path: Path) -> Any:
    """Capture of a video file; never of an address that its name or content looks like, nor of
    another file that a playlist names."""
    return _open(str(path.resolve()), cv2.CAP_FFMPEG, [], "file", _CONTAINERS)


def open_address(address: str) -> Any:
    """Capture of an rtsp, rtsps, http or https address, within :data:`TIMEOUT`."""
    limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
    wanted = [number for limit in limits for number in (limit, int(TIMEOUT * 1000))]
    wanted += [cv2.CAP_PROP_N_THREADS, _THREADS]
    return _open(address, cv2.CAP_FFMPEG, wanted, _PROTOCOLS[scheme(address) or ""])


def open_camera(which: int | str) -> Any:
    """Capture of a camera by its index or, on Linux, its device file."""
    api = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    return _open(which, api, [])


def _open(
    what: int | str,
    api: int,
    wanted: list[int],
    protocols: str = "file",
    formats: Sequence[str] = (),
) -> Any:
    with _ONE_AT_A_TIME, _quiet(), _only(protocols, formats):
        return cv2.VideoCapture(what, api, wanted)


@contextmanager
def _quiet() -> Iterator[None]:
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def _certificates() -> list[str]:
    """FFmpeg by itself believes every certificate; here it asks those that the system trusts."""
    import ssl

    paths = ssl.get_default_verify_paths()
    known = os.environ.get(paths.openssl_cafile_env) or paths.cafile
    return ["tls_verify;1", *([f"ca_file;{known}"] if known else [])]


@contextmanager
def _only(protocols: str, formats: Sequence[str]) -> Iterator[None]:
    """Options for FFmpeg, the user's own among them; of two that disagree the later counts."""
    before = os.environ.get(_OPTIONS)
    first = ["rtsp_transport;tcp", *_certificates()]  # over UDP a lost packet smears pictures
    parts = [*first, *([before] if before else []), f"protocol_whitelist;{protocols}"]
    parts += [f"format_whitelist;{','.join(formats)}"] if formats else []
    os.environ[_OPTIONS] = "|".join(parts)
    try:
        yield
    finally:
        if before is None:
            del os.environ[_OPTIONS]
        else:
            os.environ[_OPTIONS] = before
