"""The way in and out, as a browser and as a program take it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="gradio is not installed")
httpx = pytest.importorskip("httpx", reason="gradio is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="gradio is not installed")

from fastapi import FastAPI, Request, WebSocket  # noqa: E402
from starlette.websockets import WebSocketDisconnect  # noqa: E402

from kit.app import login, routes  # noqa: E402
from kit.app.access import Access  # noqa: E402
from kit.app.desk import Desk  # noqa: E402
from kit.app.guard import Guard, user_of  # noqa: E402
from kit.app.passwords import Hashed, write_users  # noqa: E402
from kit.app.settings import Settings  # noqa: E402
from kit.errors import UsageError  # noqa: E402

ANNA, BOB = "anna's long password", "bob's long password"
HASHED = {"anna": Hashed.of(ANNA), "bob": Hashed.of(BOB)}
SOCKET = "ws://127.0.0.1:7860/socket"
BROWSER = {"accept": "text/html,*/*"}


@pytest.fixture
def users(tmp_path: Path) -> Path:
    write_users(tmp_path / "users", HASHED)
    return tmp_path / "users"


@pytest.fixture
def guarded(desk: Desk, users: Path) -> Guard:
    access = Access(users)
    desk = replace(desk, access=access)
    app = FastAPI()
    app.include_router(routes.routes(desk))
    app.include_router(login.routes(desk, access))

    @app.get("/who")
    def who(request: Request) -> Any:
        return user_of(request)

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            while True:
                await socket.send_text(await socket.receive_text())

    return Guard(app, Settings(auth_file=users), access)


@pytest.fixture
def visitor(guarded: Guard) -> Any:
    def come(scheme: str = "http", address: str = "10.0.0.1") -> Any:
        return testclient.TestClient(
            guarded, f"{scheme}://127.0.0.1:7860", follow_redirects=False, client=(address, 1)
        )

    return come


def enter(client: Any, user: str = "anna", password: str = ANNA, **more: Any) -> Any:
    return client.post("/login", data={"username": user, "password": password}, **more)


def test_a_person_is_led_to_the_login_and_back(visitor: Any) -> None:
    client = visitor()
    asked = client.get("/who?x=1", headers=BROWSER)
    assert asked.status_code == 303
    assert asked.headers["location"] == "/login?next=%2Fwho%3Fx%3D1"
    page = client.get(asked.headers["location"], headers=BROWSER).text
    assert 'value="/who?x=1"' in page
    form = {"username": "anna", "password": ANNA, "next": "/who?x=1"}
    entered = client.post("/login", data=form, headers=BROWSER)
    assert (entered.status_code, entered.headers["location"]) == (303, "/who?x=1")
    assert client.get("/who").json() == "anna"
    assert client.get("/login").headers["location"] == "/"  # nothing to do there


@pytest.mark.parametrize(
    "next",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:x",
        "",
        "/\n/e",
    ],
)
def test_nobody_is_led_elsewhere(visitor: Any, next: str) -> None:
    form = {"username": "anna", "password": ANNA, "next": next}
    assert visitor().post("/login", data=form, headers=BROWSER).headers["location"] == "/"


def test_a_program_is_told(visitor: Any) -> None:
    client = visitor()
    assert client.get("/who").status_code == 401
    assert enter(client).json() == {"success": True}
    assert client.get("/who").json() == "anna"


def test_the_cookie_is_for_this_server_alone(visitor: Any) -> None:
    plain = enter(visitor()).headers["set-cookie"].lower()
    assert "httponly" in plain
    assert "samesite=strict" in plain
    assert "kit-session-7860=" in plain
    assert "secure" not in plain
    assert "; secure" in enter(visitor("https")).headers["set-cookie"].lower()


@pytest.mark.parametrize("headers", [{}, BROWSER])
def test_a_wrong_password(visitor: Any, headers: dict[str, str]) -> None:
    told = enter(visitor(), password=BOB, headers=headers)
    unknown = enter(visitor(), "nobody", BOB, headers=headers)
    assert told.status_code == unknown.status_code == 401
    assert told.text == unknown.text  # doesn't tell who exists
    assert "set-cookie" not in told.headers


@pytest.mark.parametrize(
    "body", [b"", b"username=anna", b"\xff\xfe", b"a" * 20_000, b"&".join([b"a=b"] * 99)]
)
def test_a_form_that_is_none(visitor: Any, body: bytes) -> None:
    assert visitor().post("/login", content=body).status_code == 401


def test_guessing_gets_slow_and_a_colleague_comes_in(visitor: Any) -> None:
    stranger = visitor(address="10.9.9.9")
    told = [enter(stranger, password="guess") for _ in range(5)]
    assert [each.status_code for each in told] == [401, 401, 401, 401, 429]
    assert int(told[-1].headers["retry-after"]) >= 1
    assert enter(stranger, headers=BROWSER).status_code == 429  # even with the right one
    assert enter(visitor()).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/config",
        "/gradio_api/heartbeat/x",
        "/gradio_api/info",
        "/gradio_api/queue/data",
        "/kit/look",
        "/kit/result/x/print",
        "/kit/static/",
        "/kit/static/../look",
        "/login/../who",
        "/loginx",
    ],
)
def test_strangers_see_nothing_else(visitor: Any, path: str) -> None:
    for method in ("GET", "POST", "HEAD", "PUT", "OPTIONS"):
        assert visitor().request(method, path).status_code == 401, method


def test_strangers_see_the_looks_and_the_health(visitor: Any) -> None:
    client = visitor()
    assert client.get("/kit/static/login.css").status_code == 200
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    enter(client)
    assert client.get("/readyz").json()["bundles"] == ["whole", "brighter"]


def test_the_page_works_without_scripts_and_says_what_it_is(visitor: Any) -> None:
    page = visitor().get("/login").text
    assert "<script" not in page
    assert "Research use only" in page
    for field in ("username", "password"):
        assert f'<label for="{field}">' in page
        assert f'id="{field}"' in page


def test_what_is_to_come_next_is_escaped(visitor: Any) -> None:
    page = visitor().get("/login", params={"next": '/"><script>x</script>'}).text
    assert "<script" not in page


def test_leaving_forgets_the_pictures(visitor: Any, desk: Desk, png: bytes) -> None:
    client, bob = visitor(), visitor()
    enter(client)
    enter(bob, "bob", BOB)
    before = len(desk.memory)
    assert client.post("/kit/look", content=png).status_code == 200
    assert bob.post("/kit/look", content=png).status_code == 200
    cookie = client.cookies.get("kit-session-7860")
    left = client.post("/logout")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert client.get("/who").status_code == 401
    assert client.get("/who", headers={"cookie": f"kit-session-7860={cookie}"}).status_code == 401
    assert len(desk.memory) == before + 1


def test_results_are_their_users(visitor: Any, png: bytes) -> None:
    anna, bob = visitor(), visitor()
    enter(anna)
    enter(bob, "bob", BOB)
    page = anna.post("/kit/look", content=png).text
    id = page.partition("kit/result/")[2].partition("/")[0]
    assert anna.get(f"/kit/result/{id}/findings.json").status_code == 200
    for name in ("findings.json", "picture.png", "findings.csv", "print"):
        assert bob.get(f"/kit/result/{id}/{name}").status_code == 404
        assert visitor().get(f"/kit/result/{id}/{name}").status_code == 401
    assert bob.post(f"/kit/look/{id}").status_code == 404


def test_a_stranger_opens_no_socket(visitor: Any) -> None:
    with pytest.raises(WebSocketDisconnect) as refused, visitor().websocket_connect(SOCKET):
        pass
    assert refused.value.reason == "Log in first."


def test_a_socket_ends_with_its_session(visitor: Any, users: Path) -> None:
    client = visitor()
    enter(client)
    with client.websocket_connect(SOCKET) as socket:
        socket.send_text("here")
        assert socket.receive_text() == "here"
        write_users(users, {"bob": HASHED["bob"]})
        socket.send_text("still here")
        with pytest.raises(WebSocketDisconnect) as ended:
            socket.receive_text()
    assert ended.value.code == 1008


def test_many_at_once_take_turns(guarded: Guard) -> None:
    async def come(number: int) -> int:
        transport = httpx.ASGITransport(guarded, client=(f"10.1.0.{number}", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return int((await enter(client)).status_code)

    async def all_come() -> list[int]:
        return await asyncio.gather(*map(come, range(6)))

    assert asyncio.run(all_come()) == [200] * 6


def test_passwords_do_not_cross_the_network_in_clear(users: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--insecure"):
        Settings(host="0.0.0.0", auth_file=users)
    Settings(host="0.0.0.0", auth_file=users, insecure=True)
    Settings(host="::1", auth_file=users)
    pem = tmp_path / "pem"
    pem.touch()
    Settings(host="0.0.0.0", auth_file=users, certfile=pem, keyfile=pem)
