"""Who may ask, and what leaves with every answer."""

from __future__ import annotations

from typing import Any

import pytest

from kit.app.guard import POLICY, Guard, cookie_of, token_of
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
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "cache-control" not in client().get("/assets/index.js").headers


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_may_ask(host: str) -> None:
    assert client(host).post("/", content=b"x").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_a_name_of_somebody_elses_does_not_lead_here(host: str) -> None:
    refused = client("evil.example", host=host).get("/")
    assert refused.status_code == 403
    assert "--name" in refused.json()["detail"]
    assert client("Ward.example", host=host, names=("ward.Example",)).get("/").status_code == 200


def test_this_machine_has_a_name_and_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Station7.ward.example")
    for name in ("station7", "station7.ward.example", "192.0.2.7", "[2001:db8::7]"):
        assert client(name, host="0.0.0.0").get("/").status_code == 200
    assert client("station7").get("/").status_code == 403
    assert client("192.0.2.7").get("/").status_code == 403


def test_with_a_login_any_name_will_do() -> None:
    """A page of another name has no session."""

    class Nobody:
        def user(self, token: str | None) -> None:
            return None

    guarded: Any = Guard(_app, Settings(), Nobody())  # type: ignore[arg-type]
    asked = testclient.TestClient(guarded, base_url="http://ward.example")
    assert asked.get("/healthz").status_code == 200
    assert asked.get("/").status_code == 401


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "http://127.0.0.1:8000", "null", "", "http://[half"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_another_page_in_the_same_browser_may_not_ask(origin: str, method: str) -> None:
    """Nor read: Gradio's CORS would let it."""
    assert client().request(method, "/", headers={"origin": origin}).status_code == 403


@pytest.mark.parametrize(
    ("site", "status"),
    [("same-origin", 200), ("none", 200), ("same-site", 403), ("cross-site", 403)],
)
def test_the_browser_tells_where_a_post_comes_from(site: str, status: int) -> None:
    assert client().post("/", headers={"sec-fetch-site": site}).status_code == status


def test_nor_open_a_socket() -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client().websocket_connect(
            "ws://127.0.0.1:7860/kit/live", headers={"origin": "http://evil.example"}
        ),
    ):
        pass
    assert refused.value.reason == "Not from here."


def test_a_body_has_an_end() -> None:
    small = client(picture_mb=1, clip_mb=1)
    api = client(picture_mb=1, clip_mb=900)
    assert api.post("/gradio_api/call/detect", content=bytes(2_500_000)).status_code == 413
    assert api.post("/kit/clip", content=bytes(2_500_000)).status_code == 200
    assert small.post("/", content=bytes(1_000_000)).text == "1000000"
    assert small.post("/", content=bytes(4_000_000)).status_code == 413
    told_nothing = small.post("/", content=(bytes(100_000) for _ in range(40)))
    assert int(told_nothing.text) < 4_000_000


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/upload",
        "/gradio_api/upload_progress?upload_id=1",
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://evil.example",
        "/gradio_api/component_server",
        "/gradio_api/custom_component/1/client/component/../../x",
        "/gradio_api/deep_link",
        "/gradio_api/process_recording",
        "/gradio_api/reset",
        "/gradio_api/run/detect",
        "/gradio_api/runs",
        "/gradio_api/stream/1/2/3/playlist.m3u8",
        "/gradio_api/what-a-later-version-adds",
        "/monitoring/summary",
        "/svelte/x.js",
        "/?deep_link=../../x",
    ],
)
def test_of_gradio_only_what_the_page_needs_is_open(path: str) -> None:
    assert client().get(path).status_code == 404
    assert client().post(path).status_code == 404


def test_what_the_page_and_the_client_need_is() -> None:
    for path in (
        "/",
        "/config",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/gradio_api/call/x",
    ):
        assert client().get(path).status_code == 200


def test_settings_that_contradict_each_other(tmp_path: Any) -> None:
    pem = tmp_path / "cert.pem"
    pem.touch()
    with pytest.raises(UsageError, match="--certfile without --keyfile"):
        Settings(certfile=pem)
    with pytest.raises(UsageError, match="no such file"):
        Settings(certfile=pem, keyfile=tmp_path / "none.pem")
    with pytest.raises(UsageError, match="not a host name"):
        Settings(names=("https://ward.example",))
    with pytest.raises(UsageError, match="not an address"):
        Settings(proxy="*")
    assert Settings(host="::1").loopback
    assert not Settings(host="0.0.0.0").loopback


@pytest.mark.parametrize("neighbour", ['foo={"x":1}', "a name=1", "theme", 'q="open'])
def test_a_neighbours_cookie_does_not_lock_out(neighbour: str) -> None:
    scope: dict[str, Any] = {"scheme": "http", "server": ("127.0.0.1", 7860), "headers": []}
    name = cookie_of(scope)
    scope["headers"] = [(b"cookie", f"{neighbour}; {name}=abc; z=1".encode())]
    assert token_of(scope) == "abc"
