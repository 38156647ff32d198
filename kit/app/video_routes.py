"""Addresses of clips: sent, asked after, cancelled, seen."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import Any

import anyio
from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from kit.app import strings as say
from kit.app.clips import Full, Job, status
from kit.app.desk import Desk
from kit.app.guard import user_of
from kit.app.routes import PRIVATE, served_of
from kit.app.video import Clip
from kit.app.video_page import as_json, seen


def routes(desk: Desk) -> APIRouter:
    """All of them; what they work on is stopped with the server."""
    clips = desk.clips

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(clips.close)

    router = APIRouter(prefix="/kit/clip", lifespan=lifespan)

    @router.post("")
    async def send(request: Request, bundle: str = "") -> dict[str, str]:
        served, user = served_of(desk, bundle), user_of(request)
        visitor = user or (request.client.host if request.client else "")
        try:
            with clips.receiving(visitor):
                path, sha256 = await _received(request, desk.settings.clip_mb)
                return {"id": clips.add(Job(path, sha256, served, user, visitor)).id}
        except Full as error:
            raise HTTPException(503, say.VIDEO_BUSY) from error

    @router.get("/{id}")
    def stand(request: Request, id: str) -> dict[str, Any]:
        job = _job(request, id)
        return status(job, clips.place(job))

    @router.delete("/{id}", status_code=204)
    def cancel(request: Request, id: str) -> None:
        clips.stop(_job(request, id))

    @router.get("/{id}/seen")
    def show(request: Request, id: str) -> Response:
        return HTMLResponse(seen(id, _clip(request, id)), 200, PRIVATE)

    @router.get("/{id}/film.webm")
    def film(request: Request, id: str) -> Response:
        return ranged(_clip(request, id).film, request.headers.get("range"), "video/webm")

    @router.get("/{id}/frames.json")
    def frames(request: Request, id: str) -> Response:
        return StreamingResponse(as_json(_clip(request, id)), 200, PRIVATE, "application/json")

    def _job(request: Request, id: str) -> Job:
        job = clips.get(id, user_of(request))
        if job is None:
            raise HTTPException(404, say.VIDEO_FORGOTTEN)
        return job

    def _clip(request: Request, id: str) -> Clip:
        clip = _job(request, id).clip
        if clip is None:
            raise HTTPException(404, say.VIDEO_FORGOTTEN)
        return clip

    return router


async def _received(request: Request, most_mb: int) -> tuple[Path, str]:
    """A clip that was sent, as a nameless file in the temporary folder; and its hash."""
    most, digest, size = most_mb * 1_000_000, hashlib.sha256(), 0
    number, name = tempfile.mkstemp(prefix="clip-")
    path = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            async for block in _blocks(request):
                size += len(block)
                if size > most:
                    raise HTTPException(413, say.TOO_LARGE.format(most=most_mb))
                digest.update(block)
                file.write(block)
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in (ENOSPC, EDQUOT):
            raise HTTPException(507, say.VIDEO_NO_ROOM) from error
        raise
    except BaseException:  # a page that was left, too
        path.unlink(missing_ok=True)
        raise
    return path, digest.hexdigest()


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    """What comes; who sends nothing for a while has gone, and gives up the place."""
    stream = request.stream()
    while True:
        try:
            with anyio.fail_after(_SILENT):
                block = await anext(stream, None)
        except TimeoutError as error:
            raise HTTPException(408, say.VIDEO_LOST) from error
        if block is None:
            return
        yield block


_SILENT = 30.0  # seconds
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


def ranged(data: bytes, wanted: str | None, kind: str) -> Response:
    """A file in memory, or the part of it that is asked for (RFC 9110, 14): players seek by it.

    Args:
        wanted: the header ``Range``; several parts at once, which are never needed, get all.
    """
    headers = {**PRIVATE, "accept-ranges": "bytes"}
    found = _RANGE.fullmatch(wanted or "")
    if found is None or found[0] == "bytes=-":
        return Response(data, 200, headers, kind)
    size = len(data)
    if found[1]:
        first, last = int(found[1]), min(int(found[2] or size), size - 1)
        if found[2] and int(found[2]) < first:
            return Response(data, 200, headers, kind)  # makes no sense, so it doesn't count
    else:
        first, last = max(0, size - int(found[2])), size - 1
    if first > last:
        return Response(b"", 416, {**headers, "content-range": f"bytes */{size}"})
    headers["content-range"] = f"bytes {first}-{last}/{size}"
    return Response(data[first : last + 1], 206, headers, kind)
