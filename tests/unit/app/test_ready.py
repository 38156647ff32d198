"""Whether the app can look: at its start, and after a device was lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kit.app.desk import Desk
from kit.app.looked import look
from kit.app.settings import Settings
from kit.app.shelf import Served, Shelf
from kit.errors import BundleError, DataError, KitError, OutOfMemory, RunFailed

pytest.importorskip("fastapi", reason="gradio is not installed")
testclient = pytest.importorskip("starlette.testclient", reason="gradio is not installed")

from fastapi import FastAPI  # noqa: E402

from kit.app.routes import routes  # noqa: E402


class Failing:
    """A detector that fails while it has an error to raise."""

    def __init__(self, real: Any) -> None:
        self.real, self.error = real, None

    def detect(self, pictures: Any, floor: float) -> Any:
        if self.error is not None:
            raise self.error
        return self.real.detect(pictures, floor=floor)


@pytest.fixture
def failing(desk: Desk) -> Failing:
    return Failing(desk.shelf.first.detector)


@pytest.fixture
def served(desk: Desk, failing: Failing) -> Any:
    first = desk.shelf.first
    fails: Any = failing
    with ThreadPoolExecutor(1) as turns:
        yield Served("whole", first.bundle, fails, turns)


@pytest.fixture
def client(desk: Desk, served: Served) -> Any:
    app = FastAPI()
    app.include_router(routes(replace(desk, shelf=Shelf({"whole": served}))))
    return testclient.TestClient(app)


def test_ready(client: Any) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


def test_not_after_a_device_was_lost_until_it_is_back(
    client: Any, served: Served, failing: Failing, png: bytes
) -> None:
    failing.error = RunFailed("the device was lost")
    with pytest.raises(RunFailed):
        look(png, served)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["broken"]) == (503, ["whole"])
    assert client.get("/healthz").status_code == 200
    failing.error = None
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("error", [OutOfMemory("this picture is too much"), DataError("damaged")])
def test_one_picture_does_not_make_it_unready(
    client: Any, served: Served, failing: Failing, png: bytes, error: KitError
) -> None:
    failing.error = error
    with pytest.raises(KitError):
        look(png, served)
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("error", "kind"), [(RunFailed("lost"), RunFailed), (DataError("odd shape"), BundleError)]
)
def test_what_can_not_run_fails_at_the_start(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, failing: Failing, error: KitError, kind: Any
) -> None:
    failing.error = error  # type: ignore[assignment]
    monkeypatch.setattr("kit.door.open", lambda *words, **options: failing)
    folder: Path = desk.shelf.first.bundle.directory
    with pytest.raises(kind, match="can't look at a picture"):
        Shelf.open(Settings(bundles=(folder,)))
