"""What can't be measured is said to be so, on the command line, in JSON and on the page: never a
number that isn't one."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.graph import whole_picture_graph

from kit.bundle import BundleCard, open_bundle, save_bundle
from kit.cards import Input
from kit.cli.root import main

SETS: dict[str, Sequence[tuple[int, int | None]]] = {
    "both": [(250, 0), (10, 1), (240, 0), (20, 1)],
    "no-dark": [(250, 0), (240, 0), (60, 0)],
    "no-objects": [(250, None), (10, None)],
    "one-picture": [(250, 0)],
}
"""Brightness and label of the pictures, each of which is one object or none."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("limits")
    card = BundleCard(
        name="bright-or-dark", kind="onnx", family="none", model="none", architecture="mean",
        licence="Apache-2.0", classes=("bright", "dark"), input=Input(64, fit="stretch"),
        suppress=None, weights="model.onnx", files={}, operating_point=0.5,
    )  # fmt: skip
    save_bundle(root / "bundle", card, {"model.onnx": whole_picture_graph(64)})
    nan = whole_picture_graph(64, gain=float("nan"))
    save_bundle(root / "nan", card, {"model.onnx": nan})
    for name, pictures in SETS.items():
        for split in ("valid", "test"):
            for folder in ("images", "labels"):
                (root / name / split / folder).mkdir(parents=True)
            for index, (value, label) in enumerate(pictures):
                picture = np.full((60, 90, 3), value, np.uint8)
                cv2.imwrite(str(root / f"{name}/{split}/images/{split}{index}.png"), picture)
                text = "" if label is None else f"{label} 0.5 0.5 1 1\n"
                (root / f"{name}/{split}/labels/{split}{index}.txt").write_text(text)
        splits = "valid: valid/images\ntest: test/images\n"
        (root / f"{name}/data.yaml").write_text(f"{splits}names: [bright, dark]\n")
    return root


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def no_number(word: str) -> Any:
    raise AssertionError(f"{word} is no JSON, and no number")


def evaluated(name: str, capsys: pytest.CaptureFixture[str], *more: str) -> Any:
    """The report of one of the sets; its page is written and holds no number that isn't one."""
    page = Path(f"{'-'.join((name, *more))}.html".replace("--", ""))
    words = ("evaluate", "bundle", name, *more, "--page", str(page))
    assert main([*words, "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out, parse_constant=no_number)
    text = re.sub(r"<svg.*?</svg>|data:image[^\"]*", "", page.read_text(), flags=re.DOTALL)
    assert not re.search(r"\b(nan|inf|None)\b", text), "on the page"
    page.unlink()
    return told


def test_a_class_without_objects(capsys: pytest.CaptureFixture[str]) -> None:
    told = evaluated("no-dark", capsys)
    dark = told["detail"]["per_class"]["dark"]
    for figure in ("ap", "ap50", "sensitivity"):
        assert (dark[figure]["value"], dark[figure]["n"]) == (None, 0)
        assert (dark[figure]["percentile"], dark[figure]["bca"]) == (None, None)
        assert dark[figure]["why"] == "not measurable: no objects"
    assert told["per_class"]["dark"] == {"ap": None, "ap50": None, "objects": 0}
    assert told["detail"]["froc"]["per_class"]["dark"]["why"] == "not measurable: no objects"
    # 60 is taken for dark, which is a false positive of a class without objects
    assert dark["precision"]["value"] == 0
    assert told["ap50"] == told["per_class"]["bright"]["ap50"]
    assert main(["evaluate", "bundle", "no-dark"]) == 0
    assert "nan" not in capsys.readouterr().out


def test_no_objects_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    told = evaluated("no-objects", capsys)
    assert (told["ap"], told["ap50"], told["objects"], told["interval"]) == (None, None, 0, {})
    figures = told["detail"]["figures"]
    assert figures["sensitivity"]["why"] == "not measurable: no objects"
    assert figures["precision"]["value"] == 0, "what is shown is wrong"
    assert told["detail"]["shares"]["every_object_found"]["n"] == 0
    assert told["detail"]["shares"]["every_object_found"]["interval"] is None


def test_no_detections_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    told = evaluated("both", capsys, "--backend", "null")
    figures = told["detail"]["figures"]
    assert (told["ap"], figures["sensitivity"]["value"]) == (0, 0), "of four objects none is found"
    assert figures["precision"]["value"] is None
    assert figures["precision"]["why"] == "not measurable: no detection is shown"
    assert figures["sensitivity"]["percentile"] is None, "nothing varies, which is no certainty"


def test_one_picture_has_figures_and_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    told = evaluated("one-picture", capsys)
    assert told["detail"]["figures"]["sensitivity"]["value"] == 1
    assert told["interval"] == {}
    for name, each in told["detail"]["figures"].items():
        assert (each["percentile"], each["bca"]) == (None, None), name
        assert "only one unit" in each["why"]
    assert main(["evaluate", "bundle", "one-picture", "--out", "one.json"]) == 0
    capsys.readouterr()
    assert main(["compare", "one.json", "one.json", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=no_number)
    assert {each["verdict"] for each in found["changes"]} == {"not measurable"}
    assert main(["compare", "one.json", "one.json", "--refuse-worse"]) == 2
    assert "no interval on these pictures" in capsys.readouterr().err


def test_one_picture_by_centre(capsys: pytest.CaptureFixture[str]) -> None:
    told = evaluated("one-picture", capsys, "--match", "centre")
    assert told["detail"]["froc"]["pooled"]["score"] == 1
    assert told["detail"]["froc"]["pooled"]["interval"] is None


def test_reports_of_other_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("both", "no-dark"):
        assert main(["evaluate", "bundle", name, "--out", f"{name}.json"]) == 0
    capsys.readouterr()
    assert main(["compare", "both.json", "no-dark.json"]) == 2
    told = capsys.readouterr()
    assert "were measured on different pictures or labels" in told.err
    assert told.out == ""


@pytest.mark.parametrize("rule", ["sensitivity=0.9", "fppi=1", "f1"])
@pytest.mark.parametrize("more", [(), ("--per-class",)])
def test_a_rule_without_positives(
    rule: str, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("calibrate", "bundle", "no-objects", "--rule", rule, *more, "--out", "never")
    assert main(words) == 2
    assert "not measurable: no objects" in capsys.readouterr().err
    assert not Path("never").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("evaluate", "nan", "both", "--out", "nan.json", "--page", "nan.html"),
        ("evaluate", "nan", "both", "--match", "centre", "--out", "nan.json"),
        ("calibrate", "nan", "both", "--scores", "temperature", "--out", "nan-ready"),
        ("data", "check", "both", "--bundle", "nan", "--out", "nan-suspects"),
    ],
)
def test_scores_that_are_no_numbers(
    words: tuple[str, ...], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(place.iterdir())
    assert main(words) in (1, 2)
    assert "not finite" in capsys.readouterr().err
    assert sorted(place.iterdir()) == before


@pytest.mark.parametrize("name", ["no-objects", "one-picture"])
def test_scaling_needs_right_and_wrong(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("calibrate", "bundle", name, "--scores", "temperature", "--out", "scaled")
    assert main(words) == 2
    assert "right and wrong ones are needed" in capsys.readouterr().err
    assert not Path("scaled").exists()


def test_a_page_judges_each_class_at_its_own_threshold(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of two dark pictures the one of 20 is dark by 0.922 only, and so is not shown."""
    card = replace(open_bundle("bundle").card, class_thresholds={"dark": 0.95})
    save_bundle(place / "own", card, {"model.onnx": place / "bundle/model.onnx"})
    page = place / "own.html"
    assert main(["evaluate", "own", "both", "--page", str(page), "--json", "-"]) == 0
    told = json.loads(capsys.readouterr().out)["detail"]["per_class"]["dark"]
    assert told["sensitivity"]["value"] == 0.5
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.read_text()))
    assert text.count("scored bright 0.5, dark 0.95 or more") == 2, "scores, and confusions"
    # labelled, objects, as bright, as dark, missed
    assert "bright 2 2 0 0 dark 2 0 1 1" in text
