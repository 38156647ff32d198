"""What two detectors show of one picture: matched one to one, the same from both sides."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from kit.app.compare import IOU, as_json, compare, pairs
from kit.app.compare_page import comparison
from kit.app.compare_routes import routes
from kit.app.desk import Desk
from kit.app.findings import Shown
from kit.app.looked import Looked
from kit.evaluate.outcome import iou
from kit.types import Detections, Result


@st.composite
def found(draw: Any) -> Detections:
    """Up to eight boxes on a coarse grid, so that many overlap, and overlap alike."""
    count = draw(st.integers(0, 8))
    numbers = st.integers(0, 6)
    sides = [[draw(numbers) for _ in range(4)] for _ in range(count)]
    boxes = [[x, y, x + 1 + w, y + 1 + h] for x, y, w, h in sides]
    scores = sorted(draw(st.sampled_from([0.1, 0.3, 0.5, 0.9])) for _ in range(count))[::-1]
    labels = [draw(st.integers(0, 2)) for _ in range(count)]
    return Detections(np.reshape(boxes, (-1, 4)), scores, labels)


@given(found(), found())
def test_pairs_are_one_to_one_and_the_same_from_both_sides(a: Detections, b: Detections) -> None:
    same, other = pairs(a, b)
    both = same + other
    overlaps = iou(a.xyxy, b.xyxy)
    assert len({i for i, _ in both}) == len({j for _, j in both}) == len(both)
    assert all(overlaps[i, j] >= IOU for i, j in both)
    assert all(a.labels[i] == b.labels[j] for i, j in same)
    assert all(a.labels[i] != b.labels[j] for i, j in other)
    turned = [sorted((i, j) for j, i in each) for each in pairs(b, a)]
    assert turned == [sorted(same), sorted(other)]


@given(found(), found())
def test_nothing_that_could_be_paired_is_left(a: Detections, b: Detections) -> None:
    both = [pair for kind in pairs(a, b) for pair in kind]
    overlaps = iou(a.xyxy, b.xyxy)
    for i in set(range(len(a))) - {i for i, _ in both}:
        for j in set(range(len(b))) - {j for _, j in both}:
            assert overlaps[i, j] < IOU


def looked(
    boxes: Any, scores: Any, labels: Any, classes: Any = ("cell", "dust"), thresholds: Any = None
) -> Looked:
    least = tuple(thresholds or [0.3] * len(classes))
    card = SimpleNamespace(classes=tuple(classes), thresholds=least, name="a bundle")
    served: Any = SimpleNamespace(
        bundle=SimpleNamespace(card=card, sha256="f" * 64), name="<b>", title="<b>", floor=0.05
    )
    detections = Detections(np.reshape(boxes, (-1, 4)), scores, labels)
    picture = np.zeros((20, 20, 3), np.uint8)
    return Looked("id", served, picture, "0" * 64, Result(detections, {}), {"decode": 1.0})


@given(found(), found(), st.sampled_from([None, 0.05, 0.4, 0.6]), st.sets(st.integers(0, 2)))
def test_every_shown_box_is_in_one_match(
    a: Detections, b: Detections, threshold: float | None, without: set[int]
) -> None:
    names = ("x", "y", "z")
    first, second = (looked(each.xyxy, each.scores, each.labels, names) for each in (a, b))
    made = compare(first, second, Shown(threshold, without))
    for side, place in ((made.first, "first"), (made.second, "second")):
        shown = np.flatnonzero(made.shown.mask(side.found, side.thresholds)).tolist()
        told = [getattr(match, place) for match in made.matches]
        assert sorted(each for each in told if each is not None) == shown
    kinds = [match.kind for match in made.matches]
    order = ["first", "second", "class", "both"]
    assert kinds == sorted(kinds, key=order.index)
    assert sum(made.counts.values()) == len(made.matches)
    turned = compare(second, first, Shown(threshold, without)).counts
    swapped = {"first": turned["second"], "second": turned["first"]}
    assert made.counts == {**turned, **swapped}


def test_classes_are_compared_by_name() -> None:
    box = [[0, 0, 10, 10]]
    first = looked(box * 2, [0.9, 0.8], [0, 1], ("cell", "dust"))
    second = looked(box * 2, [0.9, 0.5], [1, 0], ("fibre", "cell"))
    made = compare(first, second)
    assert made.classes == ("cell", "dust", "fibre")
    assert (made.first.alone, made.second.alone) == (("dust",), ("fibre",))
    assert [match.kind for match in made.matches] == ["class", "both"]
    told = as_json(made)
    assert told["matches"][0]["first"]["class"] == "dust"
    assert told["matches"][0]["second"]["class"] == "fibre"
    assert told["first"]["classes_alone"] == ["dust"]
    html = comparison(made)
    assert "Only A knows the class dust" in html
    assert "Only B knows the class fibre" in html
    assert "<b>" not in html  # the name of a bundle is escaped


def test_what_lies_below_the_other_threshold_is_told() -> None:
    first = looked([[0, 0, 10, 10]], [0.9], [0])
    second = looked([[0, 0, 10, 9]], [0.21], [0])
    [match] = compare(first, second).matches
    assert (match.kind, match.below) == ("first", pytest.approx(0.21))
    assert "(0.21)" in comparison(compare(first, second))
    [match] = compare(first, second, Shown(0.2)).matches
    assert match.kind == "both"
    assert match.overlap == pytest.approx(0.9)


def test_each_side_has_its_own_operating_point() -> None:
    box = [[0, 0, 10, 10]]
    made = compare(
        looked(box, [0.5], [0], thresholds=(0.6, 0.6)),
        looked(box, [0.5], [0], thresholds=(0.4, 0.4)),
    )
    assert made.counts == {"both": 0, "first": 0, "second": 1, "class": 0}


@pytest.fixture
def client(desk: Desk) -> TestClient:
    app = FastAPI()
    app.include_router(routes(desk))
    return TestClient(app)


def ids(html: str) -> str:
    return html.split('data-home="kit/compare/')[1].split('"')[0]


def test_routes(client: TestClient, desk: Desk, png: bytes) -> None:
    query = {"first": "whole", "second": "brighter"}
    answer = client.post("/kit/compare", params=query, content=png)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    home = f"/kit/compare/{ids(answer.text)}"
    # bright: 0.6 and 0.9; dark: 0.4 and 0.1, which is below both operating points
    told = client.get(f"{home}/comparison.json").json()
    assert told["counts"] == {"both": 1, "first_alone": 1, "second_alone": 0, "other_class": 0}
    assert told["matches"][0]["score_below"] == pytest.approx(0.1, abs=0.01)
    assert told["matches"][1]["score_difference"] == pytest.approx(0.3, abs=0.01)
    told = client.get(f"{home}/comparison.json?threshold=0.7&without=1").json()
    assert told["counts"] == {"both": 0, "first_alone": 0, "second_alone": 1, "other_class": 0}
    assert told["without"] == ["dark"]
    assert "B alone shows 1" in client.get(f"{home}/differences?threshold=0.7").text
    before = len(desk.memory)
    again = client.post(home, params={"first": "brighter", "second": "whole"})
    assert "<strong>A</strong> whole picture, fp32 (brighter)" in again.text
    assert len(desk.memory) == before + 1  # one of the two had looked already


@pytest.mark.parametrize("path", ["nobody/nobody/differences", "nobody/nobody/comparison.json"])
def test_what_was_forgotten(client: TestClient, path: str) -> None:
    assert client.get(f"/kit/compare/{path}").status_code == 404


def test_two_pictures_are_not_compared(client: TestClient, png: bytes) -> None:
    query = {"first": "whole", "second": "whole"}
    other = cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes()
    one, two = (
        ids(client.post("/kit/compare", params=query, content=data).text).split("/")[0]
        for data in (png, other)
    )
    assert client.get(f"/kit/compare/{one}/{two}/differences").status_code == 404
    assert client.get(f"/kit/compare/{one}/{one}/differences?threshold=2").status_code == 422
