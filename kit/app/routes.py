"""Addresses of our own beside Gradio's: health, scripts and styles, downloads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from anyio import to_thread
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from markupsafe import Markup

from kit.app import findings
from kit.app import strings as say
from kit.app.desk import Desk
from kit.app.editor import editor
from kit.app.findings import Shown
from kit.app.guard import user_of
from kit.app.looked import Looked, look, look_again
from kit.app.shelf import Served
from kit.app.viewer import viewer
from kit.app.worth import card_page, worth

T = TypeVar("T")

_WAITING = 16
PRIVATE = {"cache-control": "no-store"}
"""Header of what is a visitor's own."""

STATIC = Path(__file__).parent / "static"
_KINDS = {".js": "text/javascript", ".css": "text/css"}


def routes(desk: Desk) -> APIRouter:
    """All of them."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthy() -> dict[str, str]:  # without a thread: busy is not dead
        return {"status": "alive"}

    @router.get("/readyz")
    def ready(request: Request) -> Response:
        """Answers once all bundles have run; a lost device makes it say no. Strangers learn no
        names."""
        broken = [name for name, served in desk.shelf.items() if not served.works()]
        told: dict[str, object] = {"status": "not ready" if broken else "ready"}
        if desk.access is None or user_of(request) is not None:
            told |= {"bundles": list(desk.shelf), "broken": broken, "live": desk.seats.taken}
        return JSONResponse(told, 503 if broken else 200)

    @router.get("/kit/static/{name}")
    def static(name: str) -> Response:
        path = STATIC / name
        if path.parent != STATIC or path.suffix not in _KINDS or not path.is_file():
            raise HTTPException(404)
        fresh = {"cache-control": "no-cache"}  # asked for again after an update
        return FileResponse(path, media_type=_KINDS[path.suffix], headers=fresh)

    @router.get("/kit/worth")
    def worth_of(bundle: str = "") -> Response:
        return HTMLResponse(worth(served_of(desk, bundle)))

    @router.get("/kit/card")
    def card_of(bundle: str = "") -> Response:
        return HTMLResponse(card_page(served_of(desk, bundle)))

    @router.get("/kit/sample")
    def sample(bundle: str, name: str) -> Response:
        return FileResponse(_sample(served_of(desk, bundle), name), media_type="image/jpeg")

    @router.post("/kit/look")
    async def look_at(
        request: Request, bundle: str = "", title: str = "", sample: str = ""
    ) -> Response:
        served = served_of(desk, bundle)
        path = _sample(served, sample) if sample else None
        sent = b"" if path else await body_of(request, desk.settings.picture_mb)

        def shown() -> Markup:
            data = path.read_bytes() if path else sent
            return _shown(desk, look(data, served, user_of(request)), title)

        return HTMLResponse(await in_turn(desk, shown), 200, PRIVATE)

    @router.post("/kit/look/{id}")
    async def look_anew(request: Request, id: str, bundle: str = "", title: str = "") -> Response:
        before, served = looked_of(desk, request, id), served_of(desk, bundle)

        def shown() -> Markup:
            return _shown(desk, look_again(before, served), title)

        return HTMLResponse(await in_turn(desk, shown), 200, PRIVATE)

    @router.get("/kit/result/{id}/{name}")
    def result(
        request: Request,
        id: str,
        name: str,
        threshold: float | None = Query(None, ge=0, le=1),
        without: str = Query("", pattern=r"^(\d+(,\d+)*)?$", max_length=4000),
    ) -> Response:
        looked = looked_of(desk, request, id)
        shown = Shown(threshold, frozenset(int(each) for each in without.split(",") if each))
        match name:
            case "picture.png":
                return Response(findings.as_png(looked, shown), 200, PRIVATE, "image/png")
            case "findings.json":
                return JSONResponse(findings.as_json(looked, shown), 200, PRIVATE)
            case "findings.csv":
                return Response(findings.as_csv(looked, shown), 200, PRIVATE, "text/csv")
            case "print":
                return HTMLResponse(findings.as_page(looked, shown), 200, PRIVATE)
        raise HTTPException(404)

    return router


def _shown(desk: Desk, looked: Looked, title: str) -> Markup:
    extra = "" if desk.feedback is None else editor(looked)
    return viewer(desk.seen(looked), title[:80], extra)


def looked_of(desk: Desk, request: Request, id: str) -> Looked:
    """A picture of this visitor, by its id."""
    looked = desk.memory.get(id, user_of(request))
    if looked is None:
        raise HTTPException(404, say.FORGOTTEN)
    return looked


async def in_turn(desk: Desk, work: Callable[[], T]) -> T:
    """Decode and look in a thread, but few at once: the others leave threads and memory to cameras,
    clips and whoever asks how it stands.

    Raises:
        HTTPException: 503, too many wait.
    """
    if desk.looks.statistics().tasks_waiting >= _WAITING:
        raise HTTPException(503, say.BUSY)
    return await to_thread.run_sync(work, limiter=desk.looks)


def served_of(desk: Desk, name: str) -> Served:
    """By name; the first where none is named."""
    served = desk.shelf.get(name) if name else desk.shelf.first
    if served is None:
        raise HTTPException(404, say.NO_BUNDLE)
    return served


def _sample(served: Served, name: str) -> Path:
    """A picture that the bundle carries."""
    documents = served.bundle.card.documents
    if documents is None or name not in documents.samples:
        raise HTTPException(404)
    return served.bundle.directory / name


async def body_of(request: Request, most_mb: int) -> bytes:
    """A file that was sent, in memory, within its limit."""
    data = bytearray()
    async for block in request.stream():
        data += block
        if len(data) > most_mb * 1_000_000:
            raise HTTPException(413, say.TOO_LARGE.format(most=most_mb))
    return bytes(data)
