"""The one place that opens a connection: https only, checked by sha256, only when asked to."""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import IO, Any

from kit.errors import KitError
from kit.progress import SILENT, Progress

_BLOCK = 1 << 20
_TIMEOUT = 60  # seconds without a byte


def fetch(
    url: str,
    sha256: str,
    target: Path,
    *,
    error: type[KitError] = KitError,
    fix: str | None = None,
    progress: Progress = SILENT,
) -> None:
    """Download a file. What is left in ``target`` on an error is the caller's to remove.

    Args:
        error: raised where there is no connection, or where what came is not what was named.
        fix: what the user can do without a connection.

    Raises:
        KitError: of the kind ``error``.
    """
    digest = hashlib.sha256()
    try:
        with open_https(url) as answer, target.open("wb") as file:
            blocks = -(-int(answer.headers.get("Content-Length") or 0) // _BLOCK) or None
            for block in progress.track(_blocks(answer), f"{_name(url)} (MiB)", blocks):
                digest.update(block)
                file.write(block)
    except (
        urllib.error.URLError,
        http.client.HTTPException,
        TimeoutError,
        ConnectionError,
    ) as failed:
        reason = getattr(failed, "reason", None) or failed
        raise error(f"can't be downloaded ({reason})", where=url, fix=fix) from failed
    if digest.hexdigest() != sha256:
        raise error(
            f"what came has the sha256 {digest.hexdigest()}, the card names {sha256}",
            where=url,
            fix="try again; if it stays so, the file behind the address was replaced",
        )


def open_https(url: str) -> Any:
    """Open an address, following redirects only to other https addresses."""
    if not url.startswith("https://"):
        raise urllib.error.URLError("the address is not https")
    return urllib.request.build_opener(_OnlyHttps).open(url, timeout=_TIMEOUT)


def _blocks(answer: IO[bytes]) -> Iterator[bytes]:
    while block := answer.read(_BLOCK):
        yield block


def _name(url: str) -> str:
    return url.rpartition("/")[2]


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
