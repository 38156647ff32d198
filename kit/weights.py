"""Pretrained weights: found on disk by their digest, fetched only when the user says so.

They are looked for in ``KIT_WEIGHTS`` (a folder you keep, never written to), then in the cache. A
cached file carries the head of its digest in its name (``yolov8n-31e20dde.pt``), since vendors
publish different bytes under one name; a cache copied into ``KIT_WEIGHTS`` is found too.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from kit.cards import ModelCard, Weights, cache_folder
from kit.errors import WeightsError
from kit.files import sha256_file
from kit.progress import SILENT, Progress

_BLOCK = 1 << 20
_TIMEOUT = 30  # seconds without a byte


def locate(card: ModelCard) -> Path | None:
    """The weights on this machine, their digest checked; None where they are not.

    A file of the right name with other content is passed over in ``KIT_WEIGHTS``, where a vendor's
    other release may stand under the same name; in the cache it can only be damage.

    Raises:
        WeightsError: the cached file is not what its name says.
    """
    for path in _kept(card.weights):
        if sha256_file(path) == card.weights.sha256:
            return path
    path = cached(card)
    if not path.is_file():
        return None
    if sha256_file(path) != card.weights.sha256:
        raise WeightsError(
            "the file is damaged: it has not the digest of the card",
            where=path,
            fix=f"rm {path}; kit fetch {card.name}",
        )
    return path


def require(card: ModelCard, *, allow_download: bool = False, progress: Progress = SILENT) -> Path:
    """The weights, or an error that says how to come by them.

    Raises:
        WeightsError: not on this machine, and not to be downloaded or not downloadable.
    """
    path = locate(card)
    if path is not None:
        return path
    if allow_download:
        return download(card, progress)
    other = ", ".join(str(path) for path in _kept(card.weights))
    what = f"the weights {card.weights.file} are not on this machine"
    if other:
        what += f" ({other} is another file of this name: its digest is not the card's)"
    raise WeightsError(
        what,
        where=card.name,
        fix=f"kit fetch {card.name}, or put the file in a folder and set KIT_WEIGHTS to it",
    )


def download(card: ModelCard, progress: Progress = SILENT) -> Path:
    """Fetch the weights into the cache; they appear there only when their digest is right.

    Raises:
        WeightsError: no connection, or what came is not what the card names.
    """
    path = cached(card)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            digest = _fetch(card.weights.url, file, path.name, progress)
        if digest != card.weights.sha256:
            raise WeightsError(
                f"what came has the sha256 {digest}, the card names {card.weights.sha256}; "
                "it was thrown away",
                where=card.weights.url,
                fix="try again; if it stays so, the file behind the address was replaced",
            )
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise
    return path


def cached(card: ModelCard) -> Path:
    """Where the cache keeps these weights, there or not."""
    return cache_folder() / "weights" / _cache_name(card.weights)


def _kept(weights: Weights) -> list[Path]:
    """Files of the right name in ``KIT_WEIGHTS``, whatever is in them."""
    folder = os.environ.get("KIT_WEIGHTS")
    if not folder:
        return []
    paths = [Path(folder) / name for name in (weights.file, _cache_name(weights))]
    return [path for path in paths if path.is_file()]


def _cache_name(weights: Weights) -> str:
    name = Path(weights.file)
    return f"{name.stem}-{weights.sha256[:8]}{name.suffix}"


def _fetch(url: str, file: IO[bytes], label: str, progress: Progress) -> str:
    """Stream an https address into a file and return the sha256 of what came."""
    digest = hashlib.sha256()
    try:
        with _OPENER.open(url, timeout=_TIMEOUT) as answer:
            length = int(answer.headers.get("Content-Length") or 0)
            blocks = -(-length // _BLOCK) or None
            for block in progress.track(_blocks(answer), label, blocks):
                digest.update(block)
                file.write(block)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise WeightsError(
            f"can't be downloaded ({reason})",
            where=url,
            fix="download it elsewhere, copy it to this machine and set KIT_WEIGHTS to its folder",
        ) from error
    return digest.hexdigest()


def _blocks(answer: IO[bytes]) -> Iterator[bytes]:
    while block := answer.read(_BLOCK):
        yield block


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows a redirect only to another https address."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        if not newurl.startswith("https://"):
            raise urllib.error.URLError(f"redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_OnlyHttps)
