"""Who may ask, and what leaves with every answer."""

from __future__ import annotations

from typing import Any

import pytest

from kit.app.guard import POLICY, Guard
from kit.app.settings import Settings
from kit.errors import UsageError

pytest.importorskip("starlette", reason="gradio is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="gradio is not installed")


from starlette.websockets import WebSocketDisconnect  # noqa: E402


async def _app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        return
    size = 0
    while (message := await receive())["type"] == "http.request":
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def client(name: str = "127.0.0.1", **settings: Any) -> Any:
    base = f"http://{name}:7860"
    return testclient.TestClient(Guard(_app, Settings(**settings)), base_url=base)


def test_answers_may_reach_nobody_else() -> None:
    headers = client().get("/").headers
    assert headers["content-security-policy"] == POLICY
    assert "http" not in POLICY
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_may_ask(host: str) -> None:
    assert client(host).post("/", content=b"x").status_code == 200


def test_a_name_of_somebody_elses_does_not_lead_here() -> None:
    assert client("evil.example").get("/").status_code == 403
    assert client("ward.example", host="0.0.0.0").get("/").status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:8000", "null", "", "http://[half"]
)
def test_another_page_in_the_same_browser_may_not_post(origin: str) -> None:
    asked = client().post("/", content=b"x", headers={"origin": origin})
    assert asked.status_code == 403
    assert client().get("/", headers={"origin": origin}).status_code == 200  # reads nothing by CORS


def test_nor_open_a_socket() -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client().websocket_connect("/kit/live", headers={"origin": "http://evil.example"}),
    ):
        pass
    assert refused.value.reason == "Not from here."


def test_a_body_has_an_end() -> None:
    small = client(picture_mb=1, clip_mb=1)
    assert small.post("/", content=bytes(1_000_000)).text == "1000000"
    assert small.post("/", content=bytes(4_000_000)).status_code == 413
    told_nothing = small.post("/", content=(bytes(100_000) for _ in range(40)))
    assert int(told_nothing.text) < 4_000_000


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/file=/etc/passwd"])
def test_files_do_not_pass_by_gradio(path: str) -> None:
    assert client().post(path).status_code == 404


def test_settings_that_contradict_each_other(tmp_path: Any) -> None:
    pem = tmp_path / "cert.pem"
    pem.touch()
    with pytest.raises(UsageError, match="--certfile without --keyfile"):
        Settings(certfile=pem)
    with pytest.raises(UsageError, match="no such file"):
        Settings(certfile=pem, keyfile=tmp_path / "none.pem")
    assert Settings(host="::1").loopback
    assert not Settings(host="0.0.0.0").loopback
