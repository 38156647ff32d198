"""The address that corrections are sent to."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from kit.app.correction import Correction, counts, settle
from kit.app.desk import Desk
from kit.app.feedback import Feedback
from kit.app.looked import Looked
from kit.app.routes import PRIVATE, body_of, looked_of
from kit.binding import bind
from kit.errors import UsageError

_MOST_MB = 4


def routes(desk: Desk) -> APIRouter:
    """All of them; nothing is there where nothing is kept."""
    router = APIRouter()

    @router.post("/kit/keep/{id}")
    async def keep(request: Request, id: str) -> JSONResponse:
        if desk.feedback is None:
            raise HTTPException(404)
        looked = looked_of(desk, request, id)
        data = await body_of(request, _MOST_MB)
        kept = await run_in_threadpool(_keep, desk, desk.feedback, looked, data)
        return JSONResponse(kept, 200, PRIVATE)

    return router


def _keep(desk: Desk, feedback: Feedback, looked: Looked, data: bytes) -> dict[str, Any]:
    correction = _correction(data)
    settled = settle(looked, correction)
    threshold = looked.served.threshold if correction.threshold is None else correction.threshold
    facts: dict[str, Any] = {
        "user": looked.user,
        "bundle_sha256": looked.served.bundle.sha256,
        "picture_sha256": looked.picture_sha256,
        "threshold": threshold,
        "counts": counts(settled, looked.served.bundle.card.classes),
    }
    desk.audit.write("kept", **facts)  # before it is: nothing is kept unlogged
    try:
        return asdict(feedback.keep(looked, correction, settled))
    except BaseException:
        desk.audit.write("not kept", **facts)
        raise


def _correction(data: bytes) -> Correction:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError("a correction is sent as JSON") from error
    return bind(Correction, told, where="correction", error=UsageError)
