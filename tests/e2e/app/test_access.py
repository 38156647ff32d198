"""Logins in a real browser and by Gradio's client; what is closed, over http and https."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit.app.passwords import Hashed, write_users

READY = ".kit-viewer[data-ready]"
NAMES = ("anna", "bob", "cleo", "dora")
ANNA, BOB, CLEO, DORA = (f"{name}'s long password" for name in NAMES)
Visit = Callable[..., Any]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users"
    passwords = zip(NAMES, (ANNA, BOB, CLEO, DORA), strict=True)
    write_users(path, {name: Hashed.of(password) for name, password in passwords})
    return path


@pytest.fixture(scope="module")
def private(serve: Any, bundle: Path, users: Path) -> Any:
    return serve(bundle, "--auth-file", users, "--proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "grey.png"
    cv2.imwrite(str(path), np.full((80, 120, 3), 153, np.uint8))
    return path


def log_in(page: Any, user: str, password: str) -> None:
    page.get_by_label("User").fill(user)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def look(page: Any, picture: Path) -> str:
    """Show a picture; where its findings can be downloaded."""
    page.wait_for_selector("input[type=file]", state="attached")
    page.set_input_files("input[type=file]", str(picture))
    page.wait_for_selector(READY)
    return str(page.get_by_role("link", name="JSON").get_attribute("href"))


def status(url: str, method: str = "GET", **headers: str) -> int:
    request = urllib.request.Request(url, method=method, headers=headers, data=None)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def guess(home: str, password: str, **headers: str) -> Any:
    """Try to log in as a program does; the answer, whatever it is."""
    data = urllib.parse.urlencode({"username": "dora", "password": password}).encode()
    request = urllib.request.Request(f"{home}/login", data, headers)
    try:
        return urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        return error


def test_a_proxy_tells_who_asks(private: Any) -> None:
    """Who guesses behind it is slowed down, and nobody else."""
    guesser, dora = ({"X-Forwarded-For": f"192.0.2.{number}"} for number in (1, 2))
    assert [guess(private.url, "wrong", **guesser).status for _ in range(5)] == [*[401] * 4, 429]
    came = guess(private.url, DORA, **dora, **{"X-Forwarded-Proto": "https"})
    assert came.status == 200
    assert "secure" in came.headers["set-cookie"].lower()
    assert "secure" not in guess(private.url, DORA, **dora).headers["set-cookie"].lower()


@pytest.mark.parametrize("scripts", [True, False])
def test_the_login_page(private: Any, visit: Visit, scripts: bool) -> None:
    page = visit(private, java_script_enabled=scripts)
    assert page.url.endswith("/login")
    assert page.get_by_text("Research use only").is_visible()
    log_in(page, "anna", BOB)
    assert page.get_by_role("alert").inner_text() == "The user or the password is wrong."
    log_in(page, "anna", ANNA)
    page.wait_for_url(f"{private.url}/")


def test_in_and_out(private: Any, visit: Visit, picture: Path) -> None:
    page = visit(private)
    log_in(page, "cleo", CLEO)
    result = look(page, picture)
    (cookie,) = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"]) == (True, "Strict", False)
    assert page.request.get(f"{private.url}/{result}").status == 200
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    page.goto(private.url)
    assert page.url.endswith("/login")
    log_in(page, "cleo", CLEO)
    page.wait_for_selector("input[type=file]", state="attached")
    assert page.request.get(f"{private.url}/{result}").status == 404  # forgotten with the logout


def test_two_visitors_do_not_see_each_others_pictures(
    private: Any, visit: Visit, picture: Path
) -> None:
    anna, bob = visit(private), visit(private)
    log_in(anna, "anna", ANNA)
    log_in(bob, "bob", BOB)
    result = look(anna, picture)
    look(bob, picture)
    for name in ("findings.json", "findings.csv", "picture.png", "print"):
        address = f"{private.url}/{result.rpartition('/')[0]}/{name}"
        assert anna.request.get(address).status == 200
        assert bob.request.get(address).status == 404
        assert status(address) == 401


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/gradio_api/info", "/gradio_api/queue/data?session_hash=x",
     "/gradio_api/heartbeat/x", "/gradio_api/call/detect/x", "/theme.css", "/assets/x",
     "/gradio_api/startup-events", "/gradio_api/app_id"],
)  # fmt: skip
def test_strangers_get_nothing_of_gradio(private: Any, path: str) -> None:
    assert status(private.url + path) == 401


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd",
        "/gradio_api/file=../../../../etc/passwd",
        "/gradio_api/file=http://127.0.0.1:1/x",
        "/gradio_api/file/etc/passwd",
        "/gradio_api/proxy=http://127.0.0.1:1/x",
        "/gradio_api/proxy=https://example.hf.space/x",
        "/gradio_api/runs",
        "/gradio_api/deep_link?session_hash=x",
        "/gradio_api/monitoring",
        "/gradio_api/openapi.json",
        "/gradio_api/token",
        "/gradio_api/dev/reload",
        "/monitoring/summary",
        "/monitoring",
        "/static/../../../../../../etc/passwd",
        "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/static//etc/passwd",
        "/kit/static/..%2f..%2fserver.py",
        "/kit/static/%2fetc%2fpasswd",
        "/?deep_link=../../../etc",
        "/file=/etc/passwd",
        "/proxy=http://127.0.0.1:1/",
        "/openapi.json",
        "/docs",
        "/login",
    ],
)
def test_files_and_other_hosts_are_out_of_reach(served: Any, path: str) -> None:
    """Without a login, where nothing else is in the way."""
    assert status(served.url + path) in (403, 404, 405)


def test_a_made_up_file_is_not_read_by_the_api(served: Any) -> None:
    """Gradio takes objects for files, or fetches them; ours must be text."""
    with socket.socket() as trap:
        trap.bind(("127.0.0.1", 0))
        trap.listen()
        trap.settimeout(1)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/x.png"
        for file in ({"path": "/etc/passwd"}, {"path": url, "url": url}, {"url": url}):
            body = {"data": [{**file, "meta": {"_type": "gradio.FileData"}}, "", None]}
            told = call(served.url, "detect", body)
            assert "event: error" in told
            assert "Files are not taken" in told or "not base64" in told
            assert "root:" not in told
        with pytest.raises(TimeoutError):
            trap.accept()


def call(home: str, name: str, body: Any) -> str:
    import json

    headers = {"content-type": "application/json"}
    request = urllib.request.Request(
        f"{home}/gradio_api/call/{name}", json.dumps(body).encode(), headers
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            event = json.load(answer)["event_id"]
        with urllib.request.urlopen(f"{home}/gradio_api/call/{name}/{event}", timeout=20) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.code)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (["no base64!", "", None], "not base64"),
        ([base64.b64encode(b"text").decode(), "", None], "not a picture"),
        (["", "", None], "not a picture"),
        ([None, "", None], "not base64"),
        ([], "not base64"),
        (["aGFsbG8="], "not a picture"),
        (["a", "", None, "b"], "Too many arguments"),
        (["aGFsbG8=", "nonesuch", None], "no such detector"),
        (["aGFsbG8=", ["a"], None], "no such detector"),
        (["aGFsbG8=", "", 2], "threshold"),
        (["aGFsbG8=", "", "0.5"], "threshold"),
        (["aGFsbG8=", "", True], "threshold"),
        (["A" * 53_900_000, "", None], "larger than 40 MB"),
    ],
)
def test_mistakes_of_programs_are_explained(served: Any, data: list[Any], why: str) -> None:
    told = call(served.url, "detect", {"data": data})
    assert told.startswith("event: error")
    assert why in told
    assert "Traceback" not in served.log.read_text()
    assert not served.temporary


def test_only_our_endpoints_are_told_of(served: Any) -> None:
    import json

    with urllib.request.urlopen(f"{served.url}/gradio_api/info") as answer:
        told = json.load(answer)
    assert set(told["named_endpoints"]) == {"/detect", "/bundles"}
    assert told["unnamed_endpoints"] == {}
    names = [each["parameter_name"] for each in told["named_endpoints"]["/detect"]["parameters"]]
    assert names == ["picture", "bundle", "threshold"]
    assert "base64" in told["named_endpoints"]["/detect"]["description"]


def test_gradios_client_logs_in(private: Any, tmp_path: Path) -> None:
    code = (
        "from gradio_client import Client\n"
        "from gradio_client.exceptions import AuthenticationError\n"
        f"def come(auth): return Client({private.url!r}, auth=auth, analytics_enabled=False,"
        " verbose=False, download_files=False)\n"
        f"client = come(('anna', {ANNA!r}))\n"
        "print(client.predict(api_name='/bundles')[0]['classes'])\n"
        "client.close()\n"
        "for auth in (None, ('anna', 'wrong')):\n"
        "    try: come(auth)\n"
        "    except AuthenticationError: print('refused')\n"
    )
    switches = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False", "HOME": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=switches, capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n")[:3] == ["['bright', 'dark']", "refused", "refused"]


def test_another_page_may_not_ask(served: Any) -> None:
    address = f"{served.url}/kit/look"
    assert status(address, "POST", Origin="http://evil.example") == 403
    assert status(address, "POST", Origin="null") == 403
    assert status(served.url, Origin="http://evil.example") == 403
    assert status(served.url, Host="evil.example") == 403  # DNS rebinding
    assert status(f"{served.url}/readyz", Host="evil.example:80") == 403


def test_nor_open_a_socket(served: Any) -> None:
    client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
    from websockets.exceptions import InvalidStatus

    address = served.url.replace("http", "ws", 1) + "/kit/live"
    with pytest.raises(InvalidStatus) as refused:
        client.connect(address, origin="http://evil.example")
    assert refused.value.response.status_code == 403


def test_https_end_to_end(
    serve: Any, bundle: Path, users: Path, visit: Visit, tmp_path: Path, picture: Path
) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from doubles.certificate import make_certificate

    cert, key = make_certificate(tmp_path)
    server = serve(bundle, "--auth-file", users, "--certfile", cert, "--keyfile", key)
    assert server.url.startswith("https://")
    page = visit(server, ignore_https_errors=True)
    log_in(page, "anna", ANNA)
    look(page, picture)
    (cookie,) = page.context.cookies()
    assert cookie["secure"]
    trusting = ssl.create_default_context(cafile=str(cert))
    trusting.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    with urllib.request.urlopen(f"{server.url}/healthz", context=trusting) as answer:
        assert answer.status == 200


def test_who_is_removed_is_out(serve: Any, bundle: Path, visit: Visit, tmp_path: Path) -> None:
    users = tmp_path / "users"
    write_users(users, {"anna": Hashed.of(ANNA), "bob": Hashed.of(BOB)})
    page = visit(serve(bundle, "--auth-file", users))
    log_in(page, "anna", ANNA)
    page.wait_for_selector("input[type=file]", state="attached")
    command = [sys.executable, "-m", "kit.cli.root", "passwd", str(users), "anna", "--remove"]
    subprocess.run(command, check=True, capture_output=True)
    end = time.monotonic() + 10
    while time.monotonic() < end and not page.url.endswith("/login"):
        page.reload()
    assert page.url.endswith("/login")
