"""`kit calibrate`: what it chooses is what `kit detect` shows, and mistakes leave nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.graph import whole_picture_graph

from kit import door
from kit.bundle import BundleCard, open_bundle, save_bundle
from kit.cards import Input
from kit.cli.root import main
from kit.evaluate.watch import Looks, fit
from kit.pixels import read_picture
from kit.runtime.quality import quality
from kit.runtime.scaling import scale
from kit.runtime.watch import FILE, facts, pack

VALID = (250, 240, 140, 100, 5, 15)
"""Brightness of pictures; the fourth is labelled bright, though it looks rather dark."""


def write_split(data: Path, split: str, pictures: Sequence[tuple[int, int | None]]) -> None:
    for folder in ("images", "labels"):
        (data / split / folder).mkdir(parents=True)
    for index, (value, label) in enumerate(pictures):
        picture = np.full((60, 90, 3), value, np.uint8)
        cv2.imwrite(str(data / f"{split}/images/{split}{index}.png"), picture)
        text = "" if label is None else f"{label} 0.5 0.5 1 1\n"
        (data / f"{split}/labels/{split}{index}.txt").write_text(text)


def make_data(data: Path, valid: Sequence[tuple[int, int | None]], names: str) -> None:
    write_split(data, "valid", valid)
    write_split(data, "test", [(200, 0), (30, 1)])
    (data / "data.yaml").write_text(f"valid: valid/images\ntest: test/images\nnames: {names}\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("calibrating")
    card = BundleCard(
        name="bright-or-dark", kind="onnx", family="none", model="none", architecture="mean",
        licence="Apache-2.0", classes=("bright", "dark"), input=Input(64, fit="stretch"),
        suppress=None, weights="model.onnx", files={}, operating_point=0.9,
        reports={"valid": {"ap": 0.5}},
    )  # fmt: skip
    files: dict[str, Path | bytes] = {"model.onnx": whole_picture_graph(64), "extra.json": b"{}"}
    save_bundle(root / "bundle", card, files)
    save_bundle(root / "nan", card, {"model.onnx": whole_picture_graph(64, gain=float("nan"))})
    save_bundle(root / "missed", card, {"model.onnx": whole_picture_graph(64, gain=0)})
    make_data(root / "data", [(v, int(v < 100)) for v in VALID], "[bright, dark]")
    make_data(root / "empty", [(v, None) for v in VALID], "[bright, dark]")
    make_data(root / "one", [(250, 0)], "[bright, dark]")
    make_data(root / "others", [(250, 0)], "[bright, blue]")
    (root / "untested").mkdir()
    write_split(root / "untested", "test", [(250, 0)])
    (root / "untested/data.yaml").write_text("test: test/images\nnames: [bright, dark]\n")
    shutil.copytree(root / "data", root / "shared")
    (root / "shared/data.yaml").write_text(
        "valid: valid/images\ntest: valid/images\nnames: [bright, dark]\n"
    )
    return root


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def test_what_is_chosen_is_what_is_shown(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = answer(capsys, "calibrate", "bundle", "data", "--rule", "sensitivity=1", "--out", "all")
    lowest = np.float32(100) / np.float32(255)  # that of the fourth picture, as bright
    assert told["operating_point"] == pytest.approx(lowest, abs=1e-6)
    together = told["chosen"]["together"]["fitted"]
    assert (together["sensitivity"]["value"], together["objects"], together["pictures"]) == (
        1,
        6,
        6,
    )
    # at that score 140 counts as dark too, and 100
    assert together["fppi"]["value"] == pytest.approx(2 / 6)
    detector = door.open(place / "all")
    folder = place / "data/valid/images"
    shown = sum(len(detector(read_picture(path))) for path in sorted(folder.iterdir()))
    assert shown == together["shown"] == 8
    data = answer(capsys, "detect", "all", "data/valid/images", "--save", "none", "--out", "seen")
    assert sum(len(picture["detections"]) for picture in data["pictures"]) == 8
    assert data["threshold"] == told["operating_point"]


def test_the_new_bundle_is_the_old_one_but_for_its_thresholds(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = open_bundle("bundle")
    told = answer(
        capsys, "calibrate", "bundle", "data", "--rule", "f1", "--per-class", "--out", "f1"
    )
    new = open_bundle("f1")
    assert new.card.files == old.card.files
    assert (new.card.parent, new.sha256) == (old.sha256, told["bundle_sha256"])
    assert new.card.rule == "f1 per class"
    assert set(new.card.class_thresholds) == {"bright", "dark"}
    assert new.card.reports["valid"] == {"ap": 0.5}
    assert new.card.reports["operating_point"]["manifest"] == told["chosen"]["manifest"]
    # bright: 100 (0.392) is right and what is darker is not; dark: 15 (0.941) is, 100 is not
    bright, dark = new.card.thresholds
    assert 15 / 255 < bright <= 100 / 255 + 1e-6
    assert 155 / 255 < dark <= 240 / 255 + 1e-6
    again = answer(capsys, "calibrate", "f1", "data", "--rule", "fppi=1", "--out", "again")
    assert again["class_thresholds"] == {}


def test_people_are_told_how_few_chose(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("calibrate", "bundle", "one", "--rule", "fppi=1", "--per-class", "--out", "of-one")
    assert main(words) == 0
    told = capsys.readouterr()
    assert "on 1 valid pictures" in told.out
    assert "no objects, so the shared threshold: dark" in told.err
    assert "fewer than 50 objects chose" in told.err


def test_a_class_threshold_is_shown_by_detect(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = open_bundle("bundle")
    own = Path(shutil.copytree("bundle", "own"))
    card = {**json.loads((own / "card.json").read_text()), "class_thresholds": {"dark": 0.97}}
    (own / "card.json").write_text(json.dumps(card))
    data = answer(capsys, "detect", "own", "data/valid/images", "--save", "none", "--out", "few")
    counts = [len(picture["detections"]) for picture in data["pictures"]]
    assert counts == [1, 1, 0, 0, 1, 0]  # 15 is dark by 0.94, which is 0.9 or more, but not 0.97
    assert data["class_thresholds"] == {"dark": 0.97}
    assert bundle.card.class_thresholds == {}
    card["class_thresholds"] = {"blue": 0.5}
    (own / "card.json").write_text(json.dumps(card))
    assert main(["verify", "own"]) == 2
    assert "'blue'" in capsys.readouterr().err


@pytest.mark.parametrize("method", ["temperature", "isotonic"])
def test_scaled_scores_change_no_box(
    place: Path, method: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("calibrate", "bundle", "data", "--rule", "f1", "--scores", method)
    told = answer(capsys, *words, "--out", method, "--page", f"{method}.html")
    scaling = open_bundle(method).card.scaling
    assert scaling is not None
    assert scaling.method == told["scaling"]["method"] == method
    assert told["scaling"]["detections"] == 10, "of two a picture, two score 0.02"
    assert told["scaling"]["manifest"] == told["chosen"]["manifest"] == told["manifest_sha256"]
    page = (place / f"{method}.html").read_text()
    assert "Operating point by the rule f1" in page
    look = ("detect", method, "data/valid/images", "--out")
    raw = answer(capsys, *look, f"{method}-raw")
    scaled = answer(capsys, *look, f"{method}-scaled", "--calibrated")
    assert (raw["scores"], scaled["scores"]) == ("raw", method)
    written = json.loads((place / f"{method}-scaled/detections.json").read_text())
    assert written["scores"] == method
    one, other = ([p["detections"] for p in each["pictures"]] for each in (raw, scaled))
    assert [[d["class"] for d in p] for p in one] == [[d["class"] for d in p] for p in other]
    pairs = [(a["score"], b["score"]) for p, q in zip(one, other, strict=True)
             for a, b in zip(p, q, strict=True)]  # fmt: skip
    values = [value for value, _ in pairs]
    expected = scale(np.array(values), scaling)
    assert [value for _, value in pairs] == pytest.approx(expected, abs=2e-3)
    assert values != [value for _, value in pairs]
    assert raw["threshold"] == scaled["threshold"] == told["operating_point"]


def test_scores_alone_leave_thresholds_as_they_are(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("calibrate", "bundle", "data", "--scores", "temperature", "--out", "scores-alone")
    told = answer(capsys, *words)
    assert told["chosen"] is None
    card = open_bundle("scores-alone").card
    assert (card.operating_point, card.rule) == (0.9, None)
    # what a new rule chooses leaves the scaling as it is, since scores are the same
    again = answer(
        capsys, "calibrate", "scores-alone", "data", "--rule", "f1", "--out", "scores-and-rule"
    )
    assert again["scaling"] is None
    assert open_bundle("scores-and-rule").card.scaling == card.scaling


def test_detect_says_where_there_is_no_scaling(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("detect", "bundle", "data/valid/images", "--calibrated", "--out", "unscaled")
    assert main(words) == 2
    assert "kit calibrate" in capsys.readouterr().err
    assert not (place / "unscaled").exists()


@pytest.mark.parametrize(
    ("words", "complaint", "code"),
    [
        (("bundle", "data", "--rule", "best"), "sensitivity=S", 2),
        (("bundle", "data"), "what to calibrate?", 2),
        (("bundle", "data", "--scores", "isotonic", "--per-class"), "--per-class", 2),
        (("bundle", "data", "--scores", "isotonic", "--backend", "null"), "right and wrong", 2),
        (("bundle", "shared", "--rule", "f1"), "in test too", 2),
        (("nan", "data", "--rule", "f1"), "not finite", 2),
        (("missed", "data", "--rule", "sensitivity=1", "--per-class"), "bright: nothing", 3),
        (("bundle", "--rule", "f1"), "records no dataset", 2),
        (("bundle", "empty", "--rule", "f1"), "no objects", 2),
        (("bundle", "others", "--rule", "f1"), "bright, blue", 2),
        (("bundle", "untested", "--rule", "f1"), "there is no split 'valid'", 2),
        (("bundle", "nowhere", "--rule", "f1"), "nowhere", 2),
        (("bundle", "data", "--rule", "f1", "--backend", "null"), "finds nothing", 2),
        (("bundle", "data", "--rule", "sensitivity=1", "--out", "bundle"), "exists", 2),
        (("bundle", "data", "--rule", "fppi=0", "--per-class", "--backend", "null"), "finds", 2),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    place: Path,
    words: tuple[str, ...],
    complaint: str,
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(place.iterdir())
    words = words if "--out" in words else (*words, "--out", "new")
    assert main(["calibrate", *words]) == code
    told = capsys.readouterr()
    assert complaint in told.err
    assert sorted(place.iterdir()) == before


def test_a_watch_travels_with_the_bundle_and_speaks_up(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = open_bundle(place / "bundle").card
    whole = {"model.onnx": whole_picture_graph(64, features=True)}
    save_bundle(place / "seeing", replace(card, weights="model.onnx"), whole)
    shades = np.random.default_rng(0).integers(100, 140, 60).tolist()
    for split, values in (("train", shades[:30]), ("valid", shades[30:])):
        write_split(place / "many", split, [(value, 0) for value in values])
    (place / "many/data.yaml").write_text(
        "train: train/images\nvalid: valid/images\nnames: [bright, dark]\n"
    )
    told = answer(capsys, "calibrate", "seeing", "many", "--watch", "--out", "watching")
    assert told["watch"]["method"] == "mahalanobis"
    assert 0 <= told["watch"]["alarms"] < 0.2
    cv2.imwrite("like.png", np.full((60, 90, 3), 120, np.uint8))
    cv2.imwrite("unlike.png", np.full((60, 90, 3), 250, np.uint8))
    for name, unlike in (("like", False), ("unlike", True)):
        out = f"seen-{name}"
        assert main(["detect", "watching", f"{name}.png", "--out", out, "--json", "-"]) == 0
        [picture] = json.loads(capsys.readouterr().out)["pictures"]
        assert picture["watched"]["unlike"] is unlike
    # another step keeps it, a new fit replaces it
    answer(capsys, "calibrate", "watching", "many", "--rule", "f1", "--out", "both")
    assert open_bundle(place / "both").card.watch == open_bundle(place / "watching").card.watch
    answer(capsys, "calibrate", "both", "many", "--watch", "neighbours", "--out", "anew")
    assert open_bundle(place / "anew").card.watch["method"] == "neighbours"
    assert open_bundle(place / "anew").card.rule == "f1"
    # one of other features is refused by every verb but the one that mends it
    other = fit(
        *[Looks(np.eye(40, 7, dtype=np.float32), [quality(np.full((60, 90, 3), 99, np.uint8))])] * 2
    )
    wrong = {**whole, FILE: pack(other)}
    save_bundle(place / "wrong", replace(card, watch=facts(other)), wrong)
    for words in (("detect", "wrong", "like.png", "--out", "never"), ("evaluate", "wrong", "data")):
        assert main([*words]) == 2
        assert "fitted to 7 features a picture, its graph has 2" in capsys.readouterr().err
    answer(capsys, "calibrate", "wrong", "many", "--watch", "--out", "mended")
    answer(capsys, "detect", "mended", "like.png", "--out", "seen-mended")
    assert main(["calibrate", "bundle", "many", "--watch", "--out", "blind"]) == 2
    assert "tells no features" in capsys.readouterr().err
    assert main(["calibrate", "seeing", "data", "--watch", "--out", "sparse"]) == 2
    assert "no split 'train'" in capsys.readouterr().err
