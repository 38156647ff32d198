"""A certificate and its key, tried before anything is served with them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import NoReturn

from kit.errors import UsageError
from kit.files import MOST_SMALL, read_limited

_EXPIRED, _NOT_YET = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED and _NOT_YET_VALID


def check_certificate(certfile: Path, keyfile: Path) -> None:
    """See whether visitors could be served with these.

    Raises:
        UsageError: unreadable, not PEM, encrypted, not of each other, expired, or not valid yet.
    """
    for path in (certfile, keyfile):
        try:
            read_limited(path, MOST_SMALL)
        except OSError as error:
            raise UsageError(f"can't be read ({error.strerror})", where=path) from error
    server = _loaded(certfile, keyfile)
    told = _handshake(server, certfile)
    if told in (_EXPIRED, _NOT_YET):
        state = "has expired" if told == _EXPIRED else "is not valid yet"
        fix = "get a new one" if told == _EXPIRED else "is this machine's clock right?"
        raise UsageError(f"the certificate {state}", where=certfile, fix=fix)


def _loaded(certfile: Path, keyfile: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    asked = False

    def password() -> str:
        nonlocal asked
        asked = True
        return "-"

    try:
        context.load_cert_chain(certfile, keyfile, password)
    except ssl.SSLError as error:
        if asked:
            plain = keyfile.with_name(f"plain-{keyfile.name}")
            raise UsageError(
                "the key is encrypted, and nobody is there to type its password",
                where=keyfile,
                fix=f"umask 077; openssl pkey -in {keyfile} -out {plain}",
            ) from error
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(f"not the key of {certfile}", where=keyfile) from error
        _blame(certfile, keyfile, error)
    return context


def _blame(certfile: Path, keyfile: Path, error: ssl.SSLError) -> NoReturn:
    """OpenSSL doesn't say which of the two it could not read."""
    for path, what in ((certfile, "certificate"), (keyfile, "private key")):
        if f"{what.upper()}-----".encode() not in path.read_bytes():
            raise UsageError(f"holds no {what} in PEM", where=path) from error
    text = (error.reason or "unreadable").lower().replace("_", " ")
    raise UsageError(f"can't be used ({text})", where=f"{certfile}, {keyfile}") from error


def _handshake(server: ssl.SSLContext, certfile: Path) -> int | None:
    """Meet a client that trusts exactly this certificate; nothing leaves memory.

    Returns:
        OpenSSL's reason to refuse the certificate; None where it has none.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(os.fspath(certfile))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(down, up),
        server.wrap_bio(up, down, server_side=True),
    ]
    for _ in range(8):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_code
            except ssl.SSLError:
                return None
    return None
