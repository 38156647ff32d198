"""Live cameras over a WebSocket: ``kit/live?bundle=NAME`` takes the visitor's frames, and with
``&camera=N`` shows those of the server's camera N (``static/live.js`` is the other end)."""

from __future__ import annotations

import time
from functools import partial

import anyio
from fastapi import APIRouter, WebSocket
from fastapi.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from kit.app import strings as say
from kit.app.cameras import Cameras
from kit.app.desk import Desk
from kit.app.frames import side_of
from kit.app.guard import user_of
from kit.app.seats import NoSeat
from kit.app.shelf import Served
from kit.app.viewer import frames_viewer
from kit.app.visit import Ended, OwnCamera, ServersCamera
from kit.errors import KitError

_TRY_LATER, _FAILED = 1013, 1011  # close codes of the WebSocket protocol


def routes(desk: Desk) -> APIRouter:
    """The one address."""
    router = APIRouter()
    cameras = Cameras(desk.settings.cameras)

    @router.websocket("/kit/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        try:
            try:
                await _visit(desk, cameras, socket)
            except NoSeat as error:
                raise Ended(error.what, _TRY_LATER) from error
            except KitError as error:
                raise Ended(f"{error.what}.", _FAILED) from error
        except Ended as end:
            await _part(socket, end)
        except WebSocketDisconnect:
            return  # while something was on its way to them

    return router


async def _visit(desk: Desk, cameras: Cameras, socket: WebSocket) -> None:
    served = _served(desk, socket.query_params.get("bundle", ""))
    camera = socket.query_params.get("camera", "")
    if camera and not (camera.isdecimal() and len(camera) < 10 and int(camera) < len(cameras)):
        raise Ended(say.LIVE_NO_CAMERA_HERE)
    with desk.seats.one(desk.settings.visitors):
        await socket.send_json(
            {
                "kind": "ready",
                "bundle": served.name,
                "side": side_of(served),
                "viewer": frames_viewer(served),
            }
        )
        visit: OwnCamera | ServersCamera
        if camera:
            visit = ServersCamera(socket, cameras.view(int(camera), served))
        else:
            visit = OwnCamera(socket, served)
        await _logged(desk, served, socket, visit)


async def _logged(
    desk: Desk, served: Served, socket: WebSocket, visit: OwnCamera | ServersCamera
) -> None:
    """Run it between two lines of the audit log."""
    write = partial(
        desk.audit.write,
        user=user_of(socket),
        bundle_sha256=served.bundle.sha256,
        threshold=served.threshold,
    )
    await run_in_threadpool(write, "live start")
    began = time.monotonic()
    try:
        await visit.run()
    finally:
        seconds = round(time.monotonic() - began, 3)
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(write, "live end", frames=visit.frames, seconds=seconds)


async def _part(socket: WebSocket, end: Ended) -> None:
    try:
        await socket.send_json({"kind": "end", "why": end.why})
        await socket.close(end.code)
    except (WebSocketDisconnect, RuntimeError):
        return  # they left first


def _served(desk: Desk, name: str) -> Served:
    served = desk.shelf.get(name) if name else desk.shelf.first
    if served is None:
        raise Ended(say.NO_BUNDLE)
    return served
