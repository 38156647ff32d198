"""What every request passes first: the right host, a body within limits, and headers that keep the
page from reaching anybody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

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
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_CLOSED = ("/gradio_api/upload", "/gradio_api/proxy=", "/gradio_api/file=", "/monitoring")
"""Of Gradio's addresses those the page doesn't need: files come and go by our own, in memory."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_SLACK = 1 << 20  # bytes around a file: names, other fields


class Guard:
    """Wraps the whole app.

    Args:
        app: what it guards.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app, self._settings = app, settings
        largest = max(settings.picture_mb, settings.clip_mb) * 1_000_000
        self._most = largest * 4 // 3 + _SLACK  # a picture may come as base64

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if not self._welcome(scope, headers):
            await refuse(scope, receive, send, 403, "Not from here.")
        elif scope["path"].startswith(_CLOSED):
            await refuse(scope, receive, send, 404, "Not here.")
        elif _length(headers) > self._most:
            await refuse(scope, receive, send, 413, "Too large.")
        else:
            await self._app(scope, _counted(receive, self._most), _sealed(send))

    def _welcome(self, scope: Scope, headers: dict[str, str]) -> bool:
        """Whether it comes from a page of ours, by the name we are called by: another page in the
        visitor's browser must not look through our eyes."""
        host = headers.get("host", "")
        if self._settings.loopback and _name(host) not in _LOCAL:
            return False  # a name that somebody else's DNS points at this machine
        origin = headers.get("origin")
        asks = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD", "OPTIONS")
        return not asks or origin is None or origin.partition("://")[2] == host


def user_of(request: HTTPConnection | None) -> str | None:
    """Who asks, where there is a login."""
    user = None if request is None else request.scope.get("kit.user")
    return user if isinstance(user, str) else None


async def refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    """Answer without asking the app."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": text})
        return
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _name(host: str) -> str | None:
    """A host without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


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


def _sealed(send: Send) -> Send:
    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message.get("headers", ())}
            more = [
                (name.encode(), value.encode())
                for name, value in _HEADERS.items()
                if name.encode() not in given
            ]
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await send(message)

    return sealed
