"""Real servers on 127.0.0.1, read by the real FFmpeg: HTTP by hand, RTSP by GStreamer."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from doubles.site import Site

from kit.errors import DataError
from kit.report.film import VideoWriter
from kit.runtime import capture, stream
from kit.runtime.stream import Frame, Live, Video, open_stream

PYTHON = "/usr/bin/python3"  # the system's, for which distributions package GStreamer
SERVER = Path(__file__).with_name("rtsp_server.py")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_PAUSES", (0.05, 0.2))
    monkeypatch.setattr(capture, "TIMEOUT", 3.0)


def taken(live: Live, frames: int, reconnects: int = 0) -> list[Frame]:
    """So many frames after so many reconnects."""
    end = time.monotonic() + 20
    frames_so_far = live.frames_until(lambda: time.monotonic() > end)
    got = list(islice((f for f in frames_so_far if f.reconnects >= reconnects), frames))
    assert len(got) == frames
    return got


# HTTP


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(VideoWriter(tmp_path / "film.mp4", 10)) as writer:
        for number in range(12):
            writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    made = Site(tmp_path / "film.mp4")
    made.serve()
    yield made
    made.close()


def test_pictures_over_http(site: Site) -> None:
    with closing(open_stream(f"{site.address}/camera?token=secret")) as live:
        assert isinstance(live, Live)
        assert live.name == f"{site.address}/camera?***"
        frames = taken(live, 10)
        assert frames[0].picture.shape == (48, 64, 3)
        shades = [float(frame.picture.mean()) for frame in frames]
        assert shades == sorted(shades)


def test_http_comes_back(site: Site) -> None:
    with closing(open_stream(f"{site.address}/camera", patience=20)) as live:
        assert isinstance(live, Live)
        taken(live, 3)
        site.close()
        site.serve(site.server.server_address[1])
        assert taken(live, 3, reconnects=1)[-1].reconnects == 1


def test_a_recording_over_http_loses_no_frame(site: Site) -> None:
    with closing(open_stream(f"{site.address}/film.mp4")) as video:
        assert isinstance(video, Video)
        assert [frame.index for frame in video] == list(range(12))


def test_an_address_that_is_not_there(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    for address in (f"{site.address}/nothing", "http://u:secret@127.0.0.1:9/camera"):
        with pytest.raises(DataError, match="does not answer") as caught:
            open_stream(address)
        assert "secret" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "TIMEOUT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        for kind in ("http", "rtsp"):
            with pytest.raises(DataError, match="does not answer"):
                open_stream(f"{kind}://127.0.0.1:{port}/camera")
        assert time.monotonic() - began < 10


def test_a_certificate_that_nobody_vouches_for_is_not_believed(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = _self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    address = site.address.replace("http:", "https:") + "/camera"
    with pytest.raises(DataError, match="does not answer"):
        open_stream(address)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # as a hospital trusts its own
    with closing(open_stream(address)) as live:
        assert isinstance(live, Live)
        taken(live, 3)


def _self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1, and its key."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now, day = datetime.now(timezone.utc), timedelta(days=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        .add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "site.pem").write_bytes(made.public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "site.key").write_bytes(secret)
    return folder / "site.pem", folder / "site.key"


# RTSP


@contextmanager
def rtsp(port: int = 0) -> Iterator[int]:
    """A server, killed at the end."""
    try:
        process = subprocess.Popen(
            [PYTHON, str(SERVER), str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except FileNotFoundError:
        pytest.skip(f"there is no {PYTHON}")
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        said = process.stdout.readline()
        if not said:
            why = (process.stderr.read().strip().splitlines() or ["it ended"])[-1]
            pytest.skip(f"no RTSP server (gir1.2-gst-rtsp-server-1.0 and GStreamer): {why}")
        yield int(said)
    finally:
        process.kill()
        process.communicate()


def test_rtsp() -> None:
    with rtsp() as port, closing(open_stream(f"rtsp://127.0.0.1:{port}/camera")) as live:
        assert isinstance(live, Live)
        frames = taken(live, 15)
        assert frames[-1].picture.shape == (240, 320, 3)
        assert frames[-1].picture.max() > 200  # the ball
        assert len({frame.picture.tobytes() for frame in frames}) > 5  # moves


def test_rtsp_comes_back_after_its_server_was_killed() -> None:
    with rtsp() as port:
        live = open_stream(f"rtsp://u:secret@127.0.0.1:{port}/camera", patience=20)
        assert isinstance(live, Live)
        assert live.name == f"rtsp://***@127.0.0.1:{port}/camera"
        taken(live, 3)
    with closing(live), rtsp(port):
        assert taken(live, 3, reconnects=1)[-1].reconnects == 1
