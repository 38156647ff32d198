"""A camera and a recording behind a real HTTP server, on 127.0.0.1."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np


@dataclass
class Site:
    """Pictures in multipart/x-mixed-replace below /camera, and a video file at /film.mp4.

    Attributes:
        film: the file.
        opened: how often somebody began to look through the camera.
        watching: how many do now.
    """

    film: Path | None = None
    opened: int = 0
    watching: int = 0
    server: Any = None
    gone: threading.Event | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def serve(self, port: int = 0) -> None:
        self.gone = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self.handler(self.gone))
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        assert self.gone is not None
        self.gone.set()
        self.server.shutdown()
        self.server.server_close()

    def handler(self, gone: threading.Event) -> Any:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.startswith("/film.mp4") and site.film:
                    self.send_response(200)
                    self.send_header("Content-Length", str(site.film.stat().st_size))
                    self.end_headers()
                    self.wfile.write(site.film.read_bytes())
                elif self.path.startswith("/camera"):
                    self.send_response(200)
                    kind = "multipart/x-mixed-replace; boundary=next"
                    self.send_header("Content-Type", kind)
                    self.end_headers()
                    site.opened, site.watching = site.opened + 1, site.watching + 1
                    self.pictures()
                    site.watching -= 1
                else:
                    self.send_error(404)

            def pictures(self) -> None:
                number = 0
                while not gone.wait(0.02):
                    picture = np.full((48, 64, 3), number % 256, np.uint8)
                    data = cv2.imencode(".jpg", picture)[1].tobytes()
                    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                    try:
                        self.wfile.write(f"{head}\r\n\r\n".encode() + data + b"\r\n")
                    except OSError:
                        return
                    number += 1

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
