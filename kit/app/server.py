"""Start the app and serve until it is stopped."""

from __future__ import annotations

import errno
import socket
from pathlib import Path

from kit.app.audit import Audit, open_audit
from kit.app.desk import Desk
from kit.app.feedback import Feedback
from kit.app.guard import Guard
from kit.app.offline import in_memory, seal
from kit.app.settings import LOOPBACK, Settings
from kit.app.shelf import Shelf
from kit.errors import KitError, MissingPackage, RunFailed, UsageError
from kit.progress import SILENT, Progress


def serve(settings: Settings, progress: Progress = SILENT) -> None:
    """Open the bundles, and answer visitors until Ctrl-C.

    Raises:
        BundleError: a bundle can't be served.
        MissingPackage: Gradio is not installed.
        UsageError: the address can't be listened on, or the audit log or the folder of corrections
            can't be gone on with.
    """
    folder = seal()
    try:
        import gradio  # noqa: F401 - late: it reads the switches when it is imported
    except ModuleNotFoundError as error:
        raise MissingPackage(error.name or "gradio", "app") from error
    audit = open_audit(settings.audit)
    shelf = Shelf.open(settings)
    feedback = None
    if settings.feedback is not None:
        feedback = Feedback(settings.feedback, shelf.values())
    desk = Desk(settings, shelf, audit=audit, feedback=feedback)
    listening = _listen(settings)
    for served in shelf.values():
        audit.write("start", bundle_sha256=served.bundle.sha256, threshold=served.threshold)
    try:
        _tell(settings, listening, folder, progress)
        _run(desk, listening)
    finally:
        _stop(audit, progress)


def _stop(audit: Audit, progress: Progress) -> None:
    try:
        audit.write("stop")
    except RunFailed as error:  # it stops all the same
        progress.note(f"warning: {error}")
    audit.close()


def _run(desk: Desk, listening: socket.socket) -> None:
    import uvicorn

    settings = desk.settings
    config = uvicorn.Config(
        make(desk),
        log_level="warning",
        access_log=False,  # addresses of visitors are nobody's business
        ssl_certfile=settings.certfile,
        ssl_keyfile=settings.keyfile,
        ws_max_size=settings.picture_mb * 1_000_000,
        ws_per_message_deflate=False,  # frames are compressed already
        timeout_graceful_shutdown=3,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


def make(desk: Desk) -> Guard:
    """The whole app, as ASGI; :func:`kit.app.offline.seal` comes first."""
    import gradio as gr
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse

    from kit.app import compare_routes, feedback_routes, live, page, video_routes
    from kit.app.routes import routes

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.exception_handler(KitError)
    def explain(_: Request, error: KitError) -> JSONResponse:
        """A visitor's mistake; the file's name is none of the answer, there is none."""
        wrong = 422 if isinstance(error, UsageError) else 500
        return JSONResponse({"detail": f"{error.what}."}, wrong)

    rooms = (live, video_routes, compare_routes, feedback_routes)
    for each in (routes, *(room.routes for room in rooms)):
        app.include_router(each(desk))
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
    )
    return Guard(app, desk.settings)


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
        listening.listen()  # from here on a visitor waits rather than being refused
    except OSError as error:
        listening.close()
        where = f"{settings.host}:{settings.port}"
        if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise UsageError(
                f"can't be listened on ({error.strerror})", where=where, fix="try another --port"
            ) from error
        raise RunFailed(f"can't be listened on ({error.strerror})", where=where) from error
    listening.listen(128)  # who comes before the app is ready waits
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
    if not settings.loopback and settings.auth_file is None:
        progress.note("note: everybody who can reach this address can use it (--auth-file)")
    if settings.feedback is not None:
        progress.note(f"note: what visitors correct is kept in {settings.feedback}")
    progress.note(f"serving on http{'s' if settings.secure else ''}://{host}:{port} (Ctrl-C stops)")
