"""The address that corrections are sent to, and what is logged of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from doubles.served import looked, picture, served

pytest.importorskip("fastapi", reason="fastapi is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from fastapi import FastAPI
from fastapi.testclient import TestClient

from kit.app import feedback_routes
from kit.app.audit import AuditLog
from kit.app.desk import Desk
from kit.app.feedback import Feedback
from kit.app.routes import routes
from kit.app.settings import Settings
from kit.app.shelf import Shelf
from kit.errors import KitError, RunFailed, UsageError
from kit.pixels import encode_picture

BOXES = [{"decision": "accepted", "proposed": 0}, {"decision": "rejected", "proposed": 1}]
PNG = encode_picture(picture(), ".png")


def client(desk: Desk) -> TestClient:
    app = FastAPI()
    app.include_router(routes(desk))
    app.include_router(feedback_routes.routes(desk))
    return TestClient(app)


def desk(tmp_path: Path, *, keeps: bool = True) -> Desk:
    one = served()
    return Desk(
        Settings(),
        Shelf({one.name: one}),
        audit=AuditLog(tmp_path / "audit"),
        feedback=Feedback(tmp_path / "kept", [one]) if keeps else None,
    )


def events(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]


def test_a_correction_is_kept_and_logged(tmp_path: Path) -> None:
    at = desk(tmp_path)
    at.memory.keep(looked())
    told = client(at).post("/kit/keep/id120", json={"boxes": BOXES}).json()
    assert told == {"replaced": False, "pictures": 1, "boxes": 1}
    (kept,) = events(tmp_path)
    assert (kept["event"], kept["counts"]) == ("kept", {"cell": 1, "platelet": 0})
    assert kept["picture_sha256"] == looked().picture_sha256


def test_a_look_is_logged_before_it_is_answered(tmp_path: Path) -> None:
    answer = client(desk(tmp_path)).post("/kit/look", content=PNG)
    assert "kit-edit" in answer.text
    (look,) = events(tmp_path)
    assert look["event"] == "look"
    assert look["counts"] == {"cell": 1, "platelet": 1}
    assert look["threshold"] == 0.5


def test_nobody_looks_unlogged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RunFailed("the audit log can't be written")

    at = desk(tmp_path)
    at.memory.keep(looked())
    monkeypatch.setattr(at.audit, "write", full)
    with pytest.raises(RunFailed):  # which kit.app.server puts into words
        client(at).post("/kit/look", content=PNG)
    with pytest.raises(RunFailed):
        client(at).post("/kit/keep/id120", json={"boxes": BOXES})
    assert len(at.memory) == 1
    assert not (tmp_path / "kept" / "images").exists()


def test_what_could_not_be_kept_is_logged_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RunFailed("it could not be kept")

    at = desk(tmp_path)
    at.memory.keep(looked())
    monkeypatch.setattr(at.feedback, "keep", full)
    with pytest.raises(KitError):
        client(at).post("/kit/keep/id120", json={"boxes": BOXES})
    assert [each["event"] for each in events(tmp_path)] == ["kept", "not kept"]


def test_without_feedback_there_is_nothing(tmp_path: Path) -> None:
    at = desk(tmp_path, keeps=False)
    at.memory.keep(looked())
    assert client(at).post("/kit/keep/id120", json={"boxes": BOXES}).status_code == 404
    assert "edit" not in client(at).post("/kit/look", content=PNG).text


def test_somebody_elses_picture_is_not_there(tmp_path: Path) -> None:
    at = desk(tmp_path)
    at.memory.keep(looked(user="ann"))
    assert client(at).post("/kit/keep/id120", json={"boxes": BOXES}).status_code == 404
    assert client(at).post("/kit/keep/none", json={"boxes": BOXES}).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"null", b'{"boxes": 1}', b"\xff"])
def test_what_is_no_correction(tmp_path: Path, body: bytes) -> None:
    at = desk(tmp_path)
    at.memory.keep(looked())
    with pytest.raises(UsageError):
        client(at).post("/kit/keep/id120", content=body)
    assert client(at).post("/kit/keep/id120", content=bytes(5_000_000)).status_code == 413
    assert not events(tmp_path)
