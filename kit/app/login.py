"""The way in and out: ``/login`` as a page without scripts, and as JSON for programs."""

from __future__ import annotations

import math
from functools import partial
from urllib.parse import parse_qs, urlsplit

from anyio import CapacityLimiter, sleep, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from markupsafe import Markup

from kit.app import strings as say
from kit.app.access import LONGEST, Access
from kit.app.desk import Desk
from kit.app.guard import cookie_of, token_of

_MOST_BYTES = 16_384  # of the form
_AT_ONCE = 2  # each check takes 32 MiB
_WAITING = 64  # beyond which a try is sent away


def routes(desk: Desk, access: Access) -> APIRouter:
    """``/login`` and ``/logout``."""
    router = APIRouter()
    checks = CapacityLimiter(_AT_ONCE)

    @router.get("/login")
    def show(request: Request, next: str = "/") -> Response:
        if access.user(token_of(request.scope)) is not None:
            return RedirectResponse(_inside(next), 303)
        return HTMLResponse(_page(_inside(next)))

    @router.post("/login")
    @router.post("/login/")
    async def enter(request: Request) -> Response:
        form = await _form(request)
        user, password = form.get("username", "").strip()[:64], form.get("password", "")
        next = _inside(form.get("next", "/"))
        address = request.client.host if request.client else ""
        wait = access.slow.begin(user, address)
        if checks.statistics().tasks_waiting >= _WAITING:
            wait = max(wait, 1.0)
        if wait > 0:
            return _refused(request, next, 429, math.ceil(wait))
        await sleep(access.slow.hold(user))
        token = await to_thread.run_sync(access.enter, user, password, limiter=checks)
        if token is None:
            await to_thread.run_sync(desk.audit.write, "login failed")
            return _refused(request, next, 401)
        access.slow.succeeded(user, address)
        await to_thread.run_sync(partial(desk.audit.write, "login ok", user=user))
        answer: Response = JSONResponse({"success": True})
        if _browses(request):
            answer = RedirectResponse(next, 303)
        answer.set_cookie(
            cookie_of(request.scope),
            token,
            max_age=int(LONGEST),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @router.post("/logout")
    def leave(request: Request) -> Response:
        gone = access.leave(token_of(request.scope))
        if gone is not None:
            desk.forget(gone)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(cookie_of(request.scope), httponly=True, samesite="strict")
        return answer

    return router


def _inside(address: str) -> str:
    """An address of ours; anything else, and what a browser might take for a host, is the page."""
    parts = urlsplit(address)
    plain = address.startswith("/") and address.isprintable() and "\\" not in address
    return address if plain and not parts.scheme and not parts.netloc else "/"


def _browses(request: Request) -> bool:
    """Whether a person asks, not a program."""
    return "text/html" in request.headers.get("accept", "")


async def _form(request: Request) -> dict[str, str]:
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > _MOST_BYTES:
            return {}
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=16)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _refused(request: Request, next: str, status: int, wait: int | None = None) -> Response:
    why = say.LOGIN_WRONG if wait is None else say.LOGIN_WAIT.format(seconds=wait)
    headers = {} if wait is None else {"retry-after": str(wait)}
    if _browses(request):
        return HTMLResponse(_page(next, why), status, headers)
    return JSONResponse({"detail": why}, status, headers)


def _page(next: str, why: str = "") -> Markup:
    return Markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<title>{enter} - {title}</title>"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="data:,"><link rel="stylesheet" href="/kit/static/login.css">'
        '</head><body><main><h1>{title}</h1><p class="kit-research">{research}</p>'
        '<form method="post" action="/login"><h2>{enter}</h2>{why}'
        '<label for="username">{user}</label><input id="username" name="username" required '
        'autocomplete="username" autocapitalize="none" spellcheck="false" autofocus>'
        '<label for="password">{password}</label><input id="password" name="password" '
        'type="password" required autocomplete="current-password">'
        '<input type="hidden" name="next" value="{next}"><button>{enter}</button></form>'
        "</main></body></html>"
    ).format(
        enter=say.LOGIN_ENTER,
        title=say.TITLE,
        research=say.RESEARCH_ONLY,
        why=Markup('<p class="kit-warning" role="alert">{}</p>').format(why) if why else "",
        user=say.LOGIN_USER,
        password=say.LOGIN_PASSWORD,
        next=next,
    )
