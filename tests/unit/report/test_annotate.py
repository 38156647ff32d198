"""What `kit detect` writes: drawn pictures, tables, and datasets that our readers read back."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kit.data import formats
from kit.errors import DataError
from kit.progress import Silent
from kit.report.annotate import annotate
from kit.report.draw import COLOURS, colour_of, draw
from kit.types import Detections, Result


@dataclass
class Finder:
    """Finds two boxes on every picture."""

    classes: tuple[str, ...] = ("cell", "dust")
    card: Any = None
    runner: Any = None
    backend: str = "fake"
    tiling: Any = None
    fits: Any = None

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        found = Detections([[10, 20, 50, 60], [1, 2, 9, 8]], [0.9, 0.3], [0, 1])
        kept = found[found.scores >= (0.25 if floor is None else floor)]
        return [Result(kept, {}) for _ in images]

    def __call__(self, image: Any) -> Detections:
        return self.detect([image])[0].detections


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    (root / "ward").mkdir(parents=True)
    for name in ("a.jpg", "a.png", "ward/b.png"):
        cv2.imwrite(str(root / name), np.full((80, 100, 3), 120, np.uint8))
    (root / "notes.txt").write_text("not a picture")
    return root


def test_folder_to_json(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:200])
    result = annotate(Finder(), folder, tmp_path / "out")
    assert [item.name for item in result.found] == ["a.jpg", "a.png", "ward/b.png"]
    assert list(result.failed) == ["broken.jpg"]
    data = json.loads((tmp_path / "out/detections.json").read_text())
    first = data["pictures"][0]
    assert (first["picture"], first["width"], first["height"]) == ("a.jpg", 100, 80)
    assert first["detections"][0] == {
        "class": "cell", "label": 0, "score": 0.9, "xyxy": [10.0, 20.0, 50.0, 60.0]
    }  # fmt: skip
    assert data["failed"][0]["picture"] == "broken.jpg"
    drawn = sorted(p.relative_to(tmp_path / "out/drawn") for p in (tmp_path / "out").rglob("*.jpg"))
    assert [str(path) for path in drawn] == ["a.jpg", "a.png.jpg", "ward/b.png.jpg"]


def test_csv_and_threshold(folder: Path, tmp_path: Path) -> None:
    annotate(Finder(), folder / "a.png", tmp_path / "out", floor=0.5, save="csv")
    rows = list(csv.DictReader((tmp_path / "out/detections.csv").read_text().splitlines()))
    assert [(row["picture"], row["class"], row["right"]) for row in rows] == [
        ("a.png", "cell", "50.00")
    ]


@pytest.mark.parametrize("save", ["coco", "yolo"])
def test_prelabels_are_read_back(folder: Path, tmp_path: Path, save: Any) -> None:
    annotate(Finder(), folder, tmp_path / "out", save=save)
    form = formats.load(save)
    root = form.sniff(tmp_path / "out" / save)
    assert root is not None
    dataset = form.read(root, name="prelabels")
    assert dataset.classes == ("cell", "dust")
    assert len(dataset) == 3
    for example in dataset:
        np.testing.assert_allclose(example.truth.xyxy, [[10, 20, 50, 60], [1, 2, 9, 8]], atol=1e-3)
        assert example.truth.labels.tolist() == [0, 1]
        assert example.path.is_file()
    if save == "coco":  # a tool can sort by how sure the detector was
        data = json.loads(next((tmp_path / "out/coco").rglob("instances*.json")).read_text())
        assert [a["score"] for a in data["annotations"]] == [0.9, 0.3] * 3


def test_a_video_among_pictures_is_told_of(folder: Path, tmp_path: Path) -> None:
    class Told(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    notes: list[str] = []
    (folder / "film.mp4").touch()
    (tmp_path / "out").mkdir()
    annotate(Finder(), folder, tmp_path / "out", progress=Told())
    assert [note for note in notes if "1 video(s)" in note]


def test_nothing_is_drawn_where_it_is_not_asked_for(folder: Path, tmp_path: Path) -> None:
    annotate(Finder(), folder, tmp_path / "out", drawn=False)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.json"]
    annotate(Finder(), folder, tmp_path / "drawn", save="none")
    assert [path.name for path in (tmp_path / "drawn").iterdir()] == ["drawn"]


def test_bad_input(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:200])
    for source, complaint in (
        (tmp_path / "gone", "no such picture"),
        (empty, "no picture in this folder"),
        (folder / "notes.txt", "neither a picture nor a video"),
        (tmp_path / "cut.jpg", "none of the 1 picture"),
    ):
        with pytest.raises(DataError, match=complaint):
            annotate(Finder(), source, tmp_path / "out")
    assert capfd.readouterr().err == ""  # OpenCV and FFmpeg stay silent; the message is ours


def test_links_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.png"
    cv2.imwrite(str(outside), np.zeros((9, 9, 3), np.uint8))
    (folder / "link.png").symlink_to(outside)
    result = annotate(Finder(), folder, tmp_path / "out")
    assert "link.png" not in [item.name for item in result.found]


@pytest.mark.parametrize("dashed", [False, True])
def test_boxes_are_drawn_where_they_are(dashed: bool) -> None:
    picture = np.full((600, 800, 3), 128, np.uint8)
    found = Detections([[100, 200, 400, 500]], [0.9], [1])
    drawn = draw(picture, found, ("a", "b"), dashed=dashed)
    assert drawn.shape == picture.shape
    colour = np.array(colour_of(1)[::-1])
    ys, xs = np.nonzero((drawn[204:] == colour).all(axis=2))  # below the label and the top line
    assert (xs.min(), xs.max(), ys.max() + 204) == (100, 400, 500)
    assert (picture == 128).all()  # a copy is drawn on
    assert (drawn[300:400, 200:300] == 128).all()  # what is inside the box stays visible


def test_small_pictures_grow_and_any_box_can_be_drawn() -> None:
    boxes = [[0, 0, 30, 20], [-5, -5, 99, 99], [29, 19, 30, 20], [7, 7, 7, 7], [50, 50, 60, 60]]
    found = Detections(boxes, np.full(5, 0.5), np.arange(5))
    drawn = draw(np.zeros((20, 30, 3), np.uint8), found, list("abcde"))
    assert drawn.shape == (480, 720, 3)


def test_colours_differ() -> None:
    assert len(set(COLOURS)) == len(COLOURS)
    assert colour_of(len(COLOURS)) == colour_of(0)
