"""Addresses of comparisons: each is two looks at one picture, and has no memory of its own."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from kit.app import strings as say
from kit.app.compare import Comparison, as_json, compare
from kit.app.compare_page import comparison, differences
from kit.app.desk import Desk
from kit.app.findings import Shown
from kit.app.guard import user_of
from kit.app.looked import Looked, look, look_again
from kit.app.routes import PRIVATE, body_of, in_turn, looked_of, served_of
from kit.app.shelf import Served


def routes(desk: Desk) -> APIRouter:
    """All of them."""
    router = APIRouter(prefix="/kit/compare")

    @router.post("")
    async def look_at(request: Request, first: str, second: str) -> Response:
        pair = served_of(desk, first), served_of(desk, second)
        data = await body_of(request, desk.settings.picture_mb)

        def both() -> Response:
            return _both(desk, look(data, pair[0], user_of(request)), *pair)

        return await in_turn(desk, both)

    @router.post("/{one}/{other}")
    async def look_anew(
        request: Request, one: str, other: str, first: str, second: str
    ) -> Response:
        """The same picture, with other bundles."""
        looks = [looked_of(desk, request, id) for id in (other, one)]
        pair = served_of(desk, first), served_of(desk, second)
        before = next((each for each in looks if each.served in pair), looks[0])
        return await in_turn(desk, partial(_both, desk, before, *pair))

    @router.get("/{one}/{other}/differences")
    def differ(
        request: Request,
        one: str,
        other: str,
        threshold: float | None = Query(None, ge=0, le=1),
        without: str = Query("", pattern=r"^(\d+(,\d+)*)?$", max_length=4000),
    ) -> Response:
        made = _made(desk, request, one, other, threshold, without)
        return HTMLResponse(differences(made), 200, PRIVATE)

    @router.get("/{one}/{other}/comparison.json")
    def take(
        request: Request,
        one: str,
        other: str,
        threshold: float | None = Query(None, ge=0, le=1),
        without: str = Query("", pattern=r"^(\d+(,\d+)*)?$", max_length=4000),
    ) -> Response:
        made = _made(desk, request, one, other, threshold, without)
        return JSONResponse(as_json(made), 200, PRIVATE)

    return router


def _both(desk: Desk, looked: Looked, first: Served, second: Served) -> Response:
    """Compare, where one of the two may have looked already."""
    one, other = (desk.seen(look_again(looked, served)) for served in (first, second))
    return HTMLResponse(comparison(compare(one, other)), 200, PRIVATE)


def _made(
    desk: Desk, request: Request, one: str, other: str, threshold: float | None, without: str
) -> Comparison:
    first, second = (looked_of(desk, request, id) for id in (one, other))
    if first.picture_sha256 != second.picture_sha256:
        raise HTTPException(404, say.FORGOTTEN)
    hidden = frozenset(int(each) for each in without.split(",") if each)
    return compare(first, second, Shown(threshold, hidden))
