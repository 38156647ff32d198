"""Start the app and serve until it is stopped."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from threading import Event, Thread

from kit.app.access import Access
from kit.app.audit import Audit, open_audit
from kit.app.clips import Clips
from kit.app.desk import Desk
from kit.app.feedback import Feedback
from kit.app.guard import Guard, user_of
from kit.app.offline import in_memory, seal
from kit.app.settings import LOOPBACK, Settings
from kit.app.shelf import Shelf
from kit.app.tls import check_certificate
from kit.errors import KitError, MissingPackage, RunFailed, UsageError
from kit.progress import SILENT, Progress

_FORGETS_EVERY = 30.0  # seconds


def serve(settings: Settings, progress: Progress = SILENT) -> None:
    """Open the bundles, and answer visitors until Ctrl-C.

    Raises:
        BundleError: a bundle can't be served.
        MissingPackage: Gradio is not installed.
        UsageError: the address can't be listened on, the certificate or the list of users has a
            fault, or the audit log or the folder of corrections can't be gone on with.
    """
    folder = seal()
    try:
        # late: Gradio reads the switches when it is imported; and after our plots, which say where
        # matplotlib, that both use, keeps its list of fonts
        import kit.report.plots  # noqa: F401, I001
        import gradio  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingPackage(error.name or "gradio", "app") from error
    if settings.certfile and settings.keyfile:
        check_certificate(settings.certfile, settings.keyfile)
    access = None if settings.auth_file is None else Access(settings.auth_file, progress)
    audit = open_audit(settings.audit)
    listening = _listen(settings)
    shelf = Shelf.open(settings)
    feedback = None
    if settings.feedback is not None:
        feedback = Feedback(settings.feedback, shelf.values())
    clips = Clips(settings.clip_seconds, audit)
    desk = Desk(settings, shelf, clips=clips, audit=audit, feedback=feedback, access=access)
    app = make(desk)
    for served in shelf.values():
        audit.write("start", bundle_sha256=served.bundle.sha256, threshold=served.threshold)
    try:
        _tell(settings, listening, folder, progress)
        _run(app, desk, listening)
    finally:
        _stop(audit, progress)


def _stop(audit: Audit, progress: Progress) -> None:
    try:
        audit.write("stop")
    except RunFailed as error:  # it stops all the same
        progress.note(f"warning: {error}")
    audit.close()


def _run(app: Guard, desk: Desk, listening: socket.socket) -> None:
    import uvicorn

    settings = desk.settings
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # addresses of visitors are nobody's business
        ssl_certfile=settings.certfile,
        ssl_keyfile=settings.keyfile,
        ws_max_size=settings.picture_mb * 1_000_000,
        ws_per_message_deflate=False,  # frames are compressed already
        timeout_graceful_shutdown=3,
        server_header=False,
        # from anybody else they could be made up
        proxy_headers=settings.proxy is not None,
        forwarded_allow_ips=[settings.proxy] if settings.proxy else None,
    )
    over = Event()
    Thread(target=_forget, args=(desk, over), daemon=True).start()
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        over.set()


def _forget(desk: Desk, over: Event) -> None:
    """Pictures are forgotten in time even where nobody comes any more."""
    while not over.wait(_FORGETS_EVERY):
        desk.memory.forget()
        desk.clips.forget()


def make(desk: Desk) -> Guard:
    """The whole app, as ASGI; :func:`kit.app.offline.seal` comes first."""
    import gradio as gr
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response
    from starlette.requests import ClientDisconnect

    from kit.app import compare_routes, feedback_routes, live, login, page, video_routes
    from kit.app.routes import routes

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(ClientDisconnect)
    def left(_: Request, __: ClientDisconnect) -> Response:
        """The visitor went while something was sent; nobody reads this."""
        return Response(status_code=400)

    @app.exception_handler(KitError)
    def explain(_: Request, error: KitError) -> JSONResponse:
        """A visitor's mistake; the file's name is none of the answer, there is none."""
        wrong = 422 if isinstance(error, UsageError) else 500
        return JSONResponse({"detail": f"{error.what}."}, wrong)

    rooms = (live, video_routes, compare_routes, feedback_routes)
    for each in (routes, *(room.routes for room in rooms)):
        app.include_router(each(desk))
    if desk.access is not None:
        app.include_router(login.routes(desk, desk.access))
    gr.mount_gradio_app(
        app,
        page.build(desk),
        path="/",
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=page.theme(),
        head=page.head(desk),
        auth_dependency=None if desk.access is None else user_of,  # the guard has asked already
    )
    return Guard(app, desk.settings, desk.access)


def _listen(settings: Settings) -> socket.socket:
    """Bound here, so that an address in use is a message, not a traceback."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (socket.gaierror, UnicodeError) as error:
        raise UsageError("no such address", where=settings.host) from error
    listening = socket.socket(family, kind, protocol)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(address)
        listening.listen(128)  # who comes before all is ready waits in line
    except OSError as error:
        listening.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise UsageError(
                f"can't be listened on ({error.strerror})", where=where, fix="try another --port"
            ) from error
        raise RunFailed(f"can't be listened on ({error.strerror})", where=where) from error
    return listening


def _tell(settings: Settings, listening: socket.socket, folder: Path, progress: Progress) -> None:
    port = listening.getsockname()[1]
    host = LOOPBACK if settings.host == "localhost" else settings.host
    host = f"[{host}]" if ":" in host else host
    if not in_memory(folder):
        progress.note(f"note: there is no memory-backed folder, uploads pass through {folder}")
    if not settings.loopback and not settings.secure:
        progress.note(
            "note: without --certfile and --keyfile, cameras of visitors stay dark, and what they "
            "show travels unencrypted"
        )
    if settings.auth_file is not None and settings.auth_file.stat().st_mode & 0o077:
        progress.note(f"note: others on this machine may read {settings.auth_file} (chmod 600)")
    if not settings.loopback and settings.auth_file is None:
        progress.note("note: everybody who can reach this address can use it (--auth-file)")
    if settings.feedback is not None:
        progress.note(f"note: what visitors correct is kept in {settings.feedback}")
    progress.note(f"serving on http{'s' if settings.secure else ''}://{host}:{port} (Ctrl-C stops)")
