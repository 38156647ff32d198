"""How the app was started, checked before anything is loaded."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from kit.errors import UsageError
from kit.runtime.capture import SCHEMES, scheme, shown
from kit.runtime.stream import is_live

LOOPBACK = "127.0.0.1"
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Settings:
    """What ``kit serve`` was told.

    Attributes:
        bundles: directories; empty for the one that ``make quickstart`` made.
        host, port: where to listen; port 0 takes a free one.
        backend, device, threads: what runs the bundles.
        key: a public key; only what was signed with its private half is served.
        cameras: of the server, that visitors may watch: index, device file or address.
        auth_file: who may enter; None lets everybody in.
        certfile, keyfile: for https; both or neither.
        insecure: passwords may cross the network unencrypted.
        feedback: where corrections are kept; None keeps nothing.
        audit: file that every look is written to; None writes nothing.
        picture_mb: largest picture file, in megabytes.
        clip_mb: largest video file, in megabytes.
        clip_seconds: longest video.
        visitors: live cameras at once.
        names: host names that visitors may call it by, beside those of this machine.
        proxy: address of a proxy that is believed who asks, and whether by https.

    Raises:
        UsageError: settings that contradict each other, or a file that isn't there.
    """

    bundles: tuple[Path, ...] = ()
    host: str = LOOPBACK
    port: int = 7860
    backend: str = "auto"
    device: str = "auto"
    threads: int | None = None
    key: Path | None = None
    cameras: tuple[str, ...] = ()
    auth_file: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    insecure: bool = False
    feedback: Path | None = None
    audit: Path | None = None
    picture_mb: int = 40
    clip_mb: int = 200
    clip_seconds: float = 120
    visitors: int = 16
    names: tuple[str, ...] = ()
    proxy: str | None = None

    def __post_init__(self) -> None:
        if (self.certfile is None) != (self.keyfile is None):
            given, missing = ("cert", "key") if self.certfile else ("key", "cert")
            raise UsageError(
                f"--{given}file without --{missing}file", fix="https needs both, else neither"
            )
        for file in (self.auth_file, self.certfile, self.keyfile):
            if file is not None and not file.is_file():
                raise UsageError("there is no such file", where=file)
        for name in self.names:
            if not re.fullmatch(r"[\w.-]+", name):
                raise UsageError("not a host name", where=name, fix="without https:// and port")
        if self.proxy is not None and not _is_address(self.proxy):
            raise UsageError("not an address", where=f"--proxy {self.proxy}", fix="as in 10.0.0.7")
        for camera in self.cameras:
            if not is_live(camera) or scheme(camera) not in (None, *SCHEMES):
                raise UsageError(
                    "neither a camera nor an address of one",
                    where=shown(camera),
                    fix="0, /dev/video0, or an address: rtsp://, rtsps://, http:// or https://",
                )
        if self.auth_file and not (self.loopback or self.secure or self.insecure):
            raise UsageError(
                "passwords would cross the network for everybody on the way to read",
                where=f"--host {self.host} --auth-file {self.auth_file}",
                fix="give --certfile and --keyfile; or --insecure, where a proxy adds https or the "
                "network is yours alone",
            )

    @property
    def secure(self) -> bool:
        """Whether it speaks https."""
        return self.certfile is not None

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        return _is_address(self.host) and ip_address(self.host).is_loopback

    def called(self, name: str | None) -> bool:
        """Whether a visitor may call it by this host name.

        A page from elsewhere whose name was made to lead here would be of our own origin to a
        browser; it never has an address for a name, nor one of those known here.
        """
        if name is None:
            return False
        if self.loopback:
            return name in {*_LOCAL, self.host, *self._given}
        machine = socket.gethostname().lower()
        here = {*_LOCAL, self.host, machine, machine.partition(".")[0], *self._given}
        return _is_address(name) or name in here

    @property
    def _given(self) -> frozenset[str]:
        return frozenset(name.lower() for name in self.names)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
