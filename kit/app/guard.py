"""What every request passes first: the right host, somebody who may enter, a body within limits,
and headers that keep the page from reaching anybody else."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlencode, urlsplit

from starlette.requests import HTTPConnection, cookie_parser

from kit.app import strings as say
from kit.app.access import Access
from kit.app.settings import Settings

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio's page carries its configuration inline, and its HTML component makes functions
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self'",
    )
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # none at all would take the origin from our own forms too
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_CLOSED = ("/monitoring", "/openapi.json", "/svelte", "/pwa_icon", "/file=", "/proxy=")
"""Gradio's addresses outside of its API that nobody needs."""

_API = "/gradio_api/"
_OPEN = (
    "app_id",
    "call/",
    "cancel",
    "heartbeat/",
    "info",
    "queue/",
    "startup-events",
    "theme.css",
)
"""Of Gradio's API what its page and its client need. All else is closed, that of versions to come
too: files come and go by our own addresses, in memory, and nothing is fetched for anybody."""

_FREE = frozenset({"/healthz", "/readyz", "/login", "/login/"})
"""Without a session; beside our scripts and styles."""

_UNCHANGING = ("/assets/", "/static/", "/kit/static/")
"""What is the same for every visitor; all else is not to be kept by a browser, or on the way."""

_SLACK = 1 << 20  # bytes around a file: names, other fields


class Guard:
    """Wraps the whole app.

    Args:
        app: what it guards.
    """

    def __init__(self, app: App, settings: Settings, access: Access | None = None) -> None:
        self._app, self._settings, self._access = app, settings, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        path, most = scope["path"], self._most(scope["path"])
        send = _sealed(send, stored=path.startswith(_UNCHANGING))
        if not self._called(headers.get("host", "")):
            await refuse(scope, receive, send, 403, say.GUARD_NAME)
        elif not self._welcome(scope, headers):
            await refuse(scope, receive, send, 403, say.GUARD_ELSEWHERE)
        elif _closed(scope):
            await refuse(scope, receive, send, 404, say.GUARD_CLOSED)
        elif not self._admitted(scope):
            await self._show_the_door(scope, receive, send)
        elif _length(headers) > most:
            await refuse(scope, receive, send, 413, say.GUARD_LARGE)
        else:
            receive = _counted(receive, most)
            if scope["type"] == "websocket":
                receive, send = self._watched(scope, receive, send)
            await self._app(scope, receive, send)

    def _most(self, path: str) -> int:
        """Bytes of a body."""
        settings = self._settings
        if path.startswith(_API):  # a picture as base64
            return settings.picture_mb * 1_000_000 * 4 // 3 + _SLACK
        return max(settings.picture_mb, settings.clip_mb) * 1_000_000 + _SLACK

    def _admitted(self, scope: Scope) -> bool:
        """Whether it may go on; notes who it is."""
        if self._access is None:
            return True
        user = self._access.user(token_of(scope))
        scope["kit.user"] = user
        return user is not None or scope["path"] in _FREE or _is_static(scope["path"])

    async def _show_the_door(self, scope: Scope, receive: Receive, send: Send) -> None:
        """People are sent to the login, programs are told."""
        accepts = dict(scope["headers"]).get(b"accept", b"")
        if scope["type"] == "http" and scope["method"] == "GET" and b"text/html" in accepts:
            path, query = scope["path"], scope["query_string"].decode("latin-1")
            wanted = f"{path}?{query}" if query else path
            query = "" if wanted == "/" else "?" + urlencode({"next": wanted})
            await refuse(scope, receive, send, 303, say.LOGIN_FIRST, location=f"/login{query}")
        else:
            await refuse(scope, receive, send, 401, say.LOGIN_FIRST)

    def _watched(self, scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
        """Ends an open socket with its session, whatever the app still has to say."""
        over = False

        async def watched() -> Message:
            nonlocal over
            message = await receive()
            if message["type"] == "websocket.receive" and not self._admitted(scope):
                over = True
                await send({"type": "websocket.close", "code": 1008, "reason": say.LOGIN_FIRST})
                return {"type": "websocket.disconnect", "code": 1008, "reason": say.LOGIN_FIRST}
            return message

        async def sent(message: Message) -> None:
            if not over:
                await send(message)

        return watched, sent

    def _called(self, host: str) -> bool:
        """Whether it may be called so. With a login, a page of another name has no session."""
        return self._access is not None or self._settings.called(_name(host))

    def _welcome(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether it comes from a page of ours: another page in the visitor's browser must not look
        through our eyes."""
        host = headers.get("host", "")
        # reading is refused too: Gradio would allow every other page to, by CORS
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return False
        asks = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
        return not asks or headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def user_of(request: HTTPConnection | None) -> str | None:
    """Who asks, where there is a login."""
    user = None if request is None else request.scope.get("kit.user")
    return user if isinstance(user, str) else None


def cookie_of(scope: Scope) -> str:
    """Name of the session's cookie: browsers don't tell one server on a machine from another."""
    server = scope.get("server") or ("", None)
    return f"kit-session-{server[1] or ''}"


def token_of(scope: Scope) -> str | None:
    """The session's, where the browser or the program has one."""
    wanted = cookie_of(scope)
    sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie"]
    # not http.cookies: that drops all of them for a neighbour's odd one
    return next((found[wanted] for found in map(cookie_parser, sent) if wanted in found), None)


async def refuse(
    scope: Scope, receive: Receive, send: Send, status: int, text: str, location: str | None = None
) -> None:
    """Answer without asking the app."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    body = json.dumps({"detail": text}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if location is not None:
        headers.append((b"location", location.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _name(host: str) -> str | None:
    """A host without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_static(path: str) -> bool:
    return re.fullmatch(r"/kit/static/[\w-]+\.(js|css)", path) is not None


def _closed(scope: Scope) -> bool:
    path: str = scope["path"]
    if path.startswith(_API):
        return not path.removeprefix(_API).startswith(_OPEN)
    # a deep link names a folder to read a state from; nobody here makes any
    return path.startswith(_CLOSED) or b"deep_link=" in scope.get("query_string", b"")


def _length(headers: dict[str, str]) -> int:
    told = headers.get("content-length", "0")
    return int(told) if told.isdecimal() else 0


def _counted(receive: Receive, most: int) -> Receive:
    """Cuts off a body that doesn't tell its length and never ends."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request":
            seen += len(message.get("body", b""))
            if seen > most:
                return {"type": "http.disconnect"}
        return message

    return counted


def _sealed(send: Send, *, stored: bool) -> Send:
    more = _HEADERS if stored else {**_HEADERS, "cache-control": "no-store"}

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", ())}
            added = [
                (name.encode(), value.encode())
                for name, value in more.items()
                if name.encode() not in given
            ]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await send(message)

    return sealed
