"""`kit data check SRC --bundle B`, as it is typed: a list, a page and a sheet."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from kit import door
from kit.bundle import BundleCard, save_bundle
from kit.cards import Input
from kit.cli.root import main
from kit.types import Detections, Result


class Bright:
    """Finds the bright square of a picture, as a cell."""

    classes = ("cell", "dust")
    backend = "fake"
    card = SimpleNamespace(operating_point=0.25, name="fake")

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        found = []
        for image in images:
            ys, xs = np.nonzero(image[..., 0] > 200)
            box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            found.append(Result(Detections([box], [0.9], [0]), {}))
        return found


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four valid pictures: one labelled right, one not, one as dust, one badly placed; and one
    training picture."""
    labels = {"a": "0 0.5 0.5 0.5 0.5", "b": "", "c": "1 0.5 0.5 0.5 0.5", "d": "0 0.6 0.5 0.5 0.5"}
    for split, names in (("valid", labels), ("train", {"t": ""})):
        for folder in ("images", "labels"):
            (tmp_path / "data" / split / folder).mkdir(parents=True)
        for place, (name, label) in enumerate(names.items()):
            picture = np.full((80, 80, 3), 10 * place + 5 * len(names), np.uint8)
            picture[20:60, 20:60] = 255
            cv2.imwrite(str(tmp_path / f"data/{split}/images/{name}.png"), picture)
            (tmp_path / f"data/{split}/labels/{name}.txt").write_text(f"{label}\n")
    text = "train: train/images\nval: valid/images\nnames: [cell, dust]\n"
    (tmp_path / "data/data.yaml").write_text(text)
    card = BundleCard(
        name="fake", kind="onnx", family="none", model="m", architecture="a", licence="l",
        classes=("cell", "dust"), input=Input(64), suppress=None, weights="w", files={},
    )  # fmt: skip
    save_bundle(tmp_path / "bundle", card, {"w": b"w"})
    monkeypatch.setattr(door, "open", lambda bundle, **options: Bright())
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMAND = ["data", "check", "data", "--bundle", "bundle", "--backend", "onnxruntime"]


def ended(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    """What was told, whether or not these pictures, which all look alike, are a sound set."""
    assert main([*words, "--json", "-"]) in (0, 2)
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_a_list_a_page_and_a_sheet(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told, said = ended([*COMMAND, "--out", "suspects"], capsys)
    told = told["mistakes"]
    assert (told["split"], told["pictures"], told["labels"], told["ranked"]) == ("valid", 4, 3, 4)
    names = [
        (one["rank"], Path(one["picture"]).stem, one["kind"], one["label"], one["suggested"])
        for one in told["listed"]
    ]
    assert {row[1:] for row in names[:2]} == {
        ("b", "missed", None, "cell"), ("c", "class", "dust", "cell")
    }  # fmt: skip
    assert names[2:] == [(3, "d", "box", "cell", "cell"), (4, "a", "box", "cell", "cell")]
    assert told["listed"][2]["box"] == pytest.approx([28, 20, 68, 60])
    assert told["listed"][2]["suggested_box"] == [20, 20, 60, 60]
    assert json.loads((ward / "suspects/mistakes.json").read_text()) == told
    assert "learned the mistakes" not in said
    assert "d.png" in (ward / "suspects/mistakes.html").read_text()
    assert cv2.imread(str(ward / "suspects/sheet.jpg")).shape[1] == 1200


def test_the_first_of_a_split_with_a_warning_about_training_pictures(
    ward: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told, said = ended([*COMMAND, "--split", "train", "--top", "1"], capsys)
    assert [Path(one["picture"]).stem for one in told["mistakes"]["listed"]] == ["t"]
    assert "learned the mistakes of pictures it was trained on" in said
    told, _ = ended([*COMMAND, "--top", "2"], capsys)
    assert len(told["mistakes"]["listed"]) == 2


def test_without_a_bundle_it_is_as_ever(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told, _ = ended(["data", "check", "data"], capsys)
    assert "mistakes" not in told
    assert "sound" in told


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["data", "check", "data", "--top", "3", "--out", "x"], "--top and --out can't be had"),
        ([*COMMAND, "--split", "nonesuch"], "there is no split 'nonesuch'"),
        ([*COMMAND, "--out", "bundle"], "exists already"),
        (["data", "check", "data", "--bundle", "data"], "not a bundle"),
    ],
)
def test_what_is_wrong_is_one_message_and_nothing_is_written(
    ward: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(ward.iterdir())
    assert main(words) == 2
    assert complaint in capsys.readouterr().err
    assert sorted(ward.iterdir()) == before


def test_other_classes_are_refused(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "train: train/images\nval: valid/images\nnames: [dust, cell]\n"
    (ward / "data/data.yaml").write_text(text)
    assert main(COMMAND) == 2
    assert "the bundle detects cell, dust" in capsys.readouterr().err
