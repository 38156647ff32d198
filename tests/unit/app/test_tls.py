"""A certificate that could not serve is explained before anything is served."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("cryptography", reason="cryptography is not installed: no certificate is made")

from doubles.certificate import make_certificate

from kit.app.tls import check_certificate
from kit.errors import UsageError

NOW = dt.datetime.now(dt.timezone.utc)
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize("authority", [True, False, None])
@pytest.mark.parametrize("kind", ["ec", "rsa", "ed25519"])
def test_a_good_one_passes(tmp_path: Path, kind: str, authority: bool | None) -> None:
    check_certificate(*make_certificate(tmp_path, kind=kind, authority=authority))


@pytest.mark.parametrize(
    ("times", "message"),
    [((NOW - 2 * DAY, NOW - DAY), "has expired"), ((NOW + DAY, NOW + 2 * DAY), "not valid yet")],
)
def test_its_time(tmp_path: Path, times: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_certificate(*make_certificate(tmp_path, times=times))


def test_an_encrypted_key_names_the_command_that_opens_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"key is encrypted.*\n.*openssl pkey -in"):
        check_certificate(*make_certificate(tmp_path, password=b"secret"))


def test_the_key_of_another(tmp_path: Path) -> None:
    cert, _ = make_certificate(tmp_path / "a")
    _, key = make_certificate(tmp_path / "b")
    with pytest.raises(UsageError, match="not the key of"):
        check_certificate(cert, key)


def test_they_are_confused(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    with pytest.raises(UsageError, match=r"key.pem: holds no certificate"):
        check_certificate(key, cert)


@pytest.mark.parametrize("content", [b"", b"no PEM", b"\x30\x82\x01"])
@pytest.mark.parametrize("which", ["cert.pem", "key.pem"])
def test_no_pem(tmp_path: Path, which: str, content: bytes) -> None:
    pair = make_certificate(tmp_path)
    (tmp_path / which).write_bytes(content)
    with pytest.raises(UsageError, match=f"{which}: holds no"):
        check_certificate(*pair)


@pytest.mark.parametrize("which", ["cert.pem", "key.pem"])
def test_damaged_pem(tmp_path: Path, which: str) -> None:
    pair = make_certificate(tmp_path)
    path = tmp_path / which
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], *lines[2:]]))
    with pytest.raises(UsageError, match="can't be used"):
        check_certificate(*pair)


def test_missing(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    key.unlink()
    with pytest.raises(UsageError, match=r"key.pem: can't be read"):
        check_certificate(cert, key)
