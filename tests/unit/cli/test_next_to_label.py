"""`kit sample --next N --bundle B`, as it is typed: a ranking, a manifest and a contact sheet."""

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
from kit.data import smear
from kit.data.manifest import Manifest
from kit.data.source import open_source
from kit.errors import DataError
from kit.finetune.prepare import prepare
from kit.types import Detections, Result


class Brightness:
    """Finds one box on every picture, the surer the brighter; its features are the colour."""

    classes = ("cell",)
    backend = "fake"
    card = SimpleNamespace(thresholds=(0.25,), name="fake")

    def __init__(self, features: bool) -> None:
        self._features = features

    def detect(self, images: Any, *, floor: float | None = None) -> list[Result]:
        return [
            Result(
                Detections([[1, 1, 20, 20]], [0.5 + image.mean() / 510], [0]),
                {},
                np.asarray(image[0, 0], np.float32) if self._features else None,
            )
            for image in images
        ]


@pytest.fixture
def ward(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five pictures, darkest (so most open) first, and a bundle beside them."""
    folder = tmp_path / "ward"
    (folder / "night").mkdir(parents=True)
    for place, name in enumerate(("night/a.png", "b.png", "c.png", "d.png", "e.png")):
        cv2.imwrite(str(folder / name), np.full((60, 80, 3), 50 * place, np.uint8))
    card = BundleCard(
        name="fake", kind="onnx", family="none", model="m", architecture="a", licence="l",
        classes=("cell",), input=Input(64), suppress=None, weights="w", files={},
    )  # fmt: skip
    save_bundle(tmp_path / "bundle", card, {"w": b"w"})
    monkeypatch.setattr(door, "open", lambda bundle, **options: Brightness(features=True))
    monkeypatch.chdir(tmp_path)
    return folder


COMMAND = ["sample", "ward", "--bundle", "bundle", "--out", "next.json", "--next"]


def test_a_manifest_a_contact_sheet_and_json(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (ward / "broken.png").touch()
    assert main([*COMMAND, "3", "--json", "-"]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    manifest = Manifest.load(tmp_path / "next.json")
    assert told["ids"] == list(manifest.ids)
    assert told["sha256"] == manifest.sha256
    assert {"ids", "rule", "seed", "class_counts", "facts"} <= set(told)
    assert told["ids"][:2] == ["night/a.png", "e.png"]  # the most open, then the least like it
    assert "warning: broken.png was left out" in said.err
    assert "night/a.png" in (tmp_path / "next.html").read_text()


def test_a_table_for_people_and_the_first_stay_the_first(
    ward: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "2"]) == 0
    text = capsys.readouterr().out
    assert "night/a.png" in text
    assert "next.html" in text
    first = Manifest.load(tmp_path / "next.json")
    more = ["--labelled", "next.json", "--out", "more.json"]
    assert main([*COMMAND, "3", "--out", "all.json"]) == 0
    assert main([*COMMAND, "1", *more]) == 0
    everything = Manifest.load(tmp_path / "all.json")
    assert everything.ids[:2] == first.ids
    assert Manifest.load(tmp_path / "more.json").ids == everything.ids[2:]
    assert "2 more are labelled already" in capsys.readouterr().out


def test_a_bundle_without_features_says_so(
    ward: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(door, "open", lambda bundle, **options: Brightness(features=False))
    assert main([*COMMAND, "2"]) == 0
    assert "by uncertainty alone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--next", "6"], r"6 picture(s) to label next are asked for, there are 5"),
        (["--next", "1", "--labelled", "gone.json"], "not a manifest"),
        (["--next", "1", "--bundle", "ward"], "not a bundle"),
        (["--next", "1", "--bit-depth", "99"], "must lie in 8..16"),
        (["--next", "1", "--out", "next.html"], "use .json"),
        (["--next", "1", "--out", "bundle/card.json"], "exists already"),
    ],
)
def test_what_is_wrong_is_one_message_and_nothing_is_written(
    ward: Path,
    tmp_path: Path,
    words: list[str],
    complaint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert main([*COMMAND[:-1], *words]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--next", "1"], "--bundle"),
        (["--next", "1", "--bundle", "bundle", "--random"], "--random can't be had with --next"),
        (["--next", "1", "--bundle", "bundle", "--least", "3"], "--least"),
        (["--next", "1", "--bundle", "bundle", "--group-by", "(a)"], "--group-by"),
        (["--images", "1", "--bundle", "bundle"], "--bundle can't be had with no --next"),
        (["--images", "1", "--labelled", "x", "--threads", "2"], "--labelled and --threads"),
    ],
)
def test_no_option_is_without_effect(
    ward: Path, words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "ward", *words, "--out", "next.json"]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["gone", "empty"])
def test_a_folder_without_pictures(
    ward: Path, tmp_path: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    words = ["sample", folder, "--bundle", "bundle", "--next", "1", "--out", "next.json"]
    assert main(words) == 2
    assert folder in capsys.readouterr().err
    assert not (tmp_path / "next.json").exists()


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_a_number_below_one_is_wrong_usage(ward: Path, count: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*COMMAND, count])
    assert stop.value.code == 2


def test_what_is_not_labelled_yet_is_not_trained_on(ward: Path, tmp_path: Path) -> None:
    """Also where the folder is that of a dataset whose pictures have labels."""
    smear.make(tmp_path / "drawn", pictures=40)
    assert main(["data", "split", "drawn", "--out", "set"]) == 0
    dataset = open_source("set")
    assert main([*COMMAND, "2"]) == 0
    train = dataset.manifest(dataset.split("train")[:2], rule="x")
    blank = Manifest.load(tmp_path / "next.json").class_counts
    same = Manifest(train.ids, train.pictures, "0" * 64, "next to label", 0, blank)
    same.save(tmp_path / "same.json")
    for name in ("next.json", "same.json"):
        with pytest.raises(DataError, match="pictures without any label") as error:
            prepare("yolov8n", "set", sample=tmp_path / name, start="random")
        assert name in str(error.value)
        assert "kit sample --next" in str(error.value)
