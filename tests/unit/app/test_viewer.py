"""What the page shows of a picture, as HTML."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.app.findings import Shown, as_csv, as_json, as_page
from kit.app.looked import look
from kit.app.shelf import Shelf
from kit.app.viewer import stage, viewer, warnings
from kit.types import Detections, Watched


class Tags(HTMLParser):
    """Counts elements, and keeps attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def having(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes in self.found if name in attributes]


boxes = st.lists(
    st.tuples(st.floats(0, 90), st.floats(0, 60), st.floats(1, 30), st.floats(1, 20)), max_size=8
)


@given(boxes, st.data())
def test_every_box_is_drawn_where_it_was_found(rows: list[Any], data: st.DataObject) -> None:
    corners = np.array([(x, y, x + w, y + h) for x, y, w, h in rows]).reshape(-1, 4)
    scores = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(rows), max_size=len(rows))))
    found = Detections(corners, scores.astype(np.float32), np.zeros(len(rows), np.int64))
    html = stage(np.zeros((80, 120, 3), np.uint8), found, ("cell",))
    tags = Tags(html)
    assert {int(each["data-box"] or -1) for each in tags.having("data-box")} == set(
        range(len(rows))
    )
    drawn = [each for tag, each in tags.found if tag == "rect" and each["class"] == "kit-line"]
    places = {(float(each["x"] or -1), float(each["y"] or -1)) for each in drawn}
    assert places == {(round(x, 2), round(y, 2)) for x, y, *_ in rows}


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1))
def test_no_name_of_a_class_becomes_markup(name: str) -> None:
    name = f"<script>{name}</script>\"'&"
    found = Detections(np.array([[0.0, 0, 5, 5]]), np.ones(1, np.float32), np.zeros(1, np.int64))
    tags = Tags(stage(np.zeros((8, 8, 3), np.uint8), found, (name,)))
    assert not [tag for tag, _ in tags.found if tag == "script"]
    assert [each["data-name"] for each in tags.having("data-name")] == [name]


def test_the_watch_is_heard_beside_the_picture() -> None:
    assert warnings(None) == ""
    assert warnings(Watched(1.0, unlike=False)) == ""
    told = warnings(Watched(9.0, unlike=True, complaints=("blurred", "too dark")))
    assert "unlike" in told
    assert "blurred, too dark" in told
    assert told.count('role="alert"') == 2


def test_each_class_starts_at_its_own_threshold(tmp_path: Path, png: bytes) -> None:
    from .conftest import make_bundle

    folder = make_bundle(tmp_path / "own", operating_point=0.5, class_thresholds={"dark": 0.3})
    from kit.app.settings import Settings

    served = Shelf.open(Settings(bundles=(folder,))).first
    looked = look(png, served)  # bright 0.6, dark 0.4
    assert as_json(looked, Shown())["counts"] == {"bright": 1, "dark": 1}
    assert as_json(looked, Shown(0.5))["counts"] == {"bright": 1, "dark": 0}
    assert as_json(looked, Shown(None, {0}))["counts"] == {"bright": 0, "dark": 1}
    assert '"thresholds": [0.5, 0.3]' in viewer(looked).unescape()


def test_what_is_taken_home(desk: Any, png: bytes) -> None:
    looked = look(png, desk.shelf.first)
    told = as_json(looked, Shown(0.5))
    assert told["bundle_sha256"] == desk.shelf.first.bundle.sha256
    assert [each["class"] for each in told["detections"]] == ["bright"]
    assert told["detections"][0]["xyxy"] == pytest.approx([0, 0, 120, 80])
    assert as_csv(looked, Shown(0.5)).splitlines()[1].split(",")[1] == "bright"
    page = as_page(looked, Shown())
    assert told["bundle_sha256"] in page
    assert "Research use only" in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)


def test_a_picture_that_looks_wrong_is_marked_on_paper_too(desk: Any, png: bytes) -> None:
    looked = look(png, desk.shelf.first)
    watched = replace(looked.result, watched=Watched(9.0, unlike=True, complaints=("blurred",)))
    page = as_page(replace(looked, result=watched), Shown())
    assert "unlike those the detector learned from" in page
    assert "blurred" in page


def test_a_class_there_is_none_of_can_be_hidden(desk: Any, png: bytes) -> None:
    assert as_json(look(png, desk.shelf.first), Shown(None, {99}))["without"] == []


def test_too_many_wait(desk: Any, png: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    testclient = pytest.importorskip("fastapi.testclient")
    from fastapi import FastAPI

    from kit.app import routes

    app = FastAPI()
    app.include_router(routes.routes(desk))
    client = testclient.TestClient(app)
    assert client.post("/kit/look", content=png).status_code == 200
    monkeypatch.setattr(routes, "_WAITING", 0)
    refused = client.post("/kit/look", content=png)
    assert refused.status_code == 503
    assert "waiting" in refused.json()["detail"]
    assert client.get("/healthz").status_code == 200
