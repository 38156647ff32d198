"""The whole path as a user goes it: every command, what it writes, what it answers."""

from __future__ import annotations

import csv
import json
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from kit.bundle import open_bundle
from kit.data.source import open_source
from kit.lock import LOCK

CLASSES = ["Platelets", "RBC", "WBC"]


@pytest.fixture(scope="module")
def scores(user: Any, trained: str, exported: str, parted: str) -> dict[str, Any]:
    """`kit evaluate --json` of checkpoint and graph, on the test split."""
    return {
        name: user.json("evaluate", name, parted, "--threads", "1")
        for name in (f"{trained}/best", exported)
    }


def test_check_and_split(user: Any, smears: str, parted: str) -> None:
    whole = user.json("data", "check", smears)
    assert whole["sound"]
    assert list(whole["pictures"]) == ["all"]
    split = user.json("data", "check", parted)
    assert split["sound"]
    assert split["pictures"] == {"all": 24, "train": 12, "valid": 6, "test": 6}
    assert split["counts"]["all"] == whole["counts"]["all"]


def test_samples_are_nested_and_trained_on(user: Any, parted: str) -> None:
    manifests = {}
    for share in ("0.25", "0.5"):
        name, plot = f"sample-{share}.json", f"sample-{share}.svg"
        manifests[share] = user.json(
            "sample", parted, "--fraction", share, "--out", name, makes=[name, plot]
        )
        assert {"ids", "rule", "seed", "class_counts"} <= manifests[share].keys()
        assert json.loads((user.folder / name).read_text())["ids"] == manifests[share]["ids"]
    quarter, half = (manifests[share]["ids"] for share in ("0.25", "0.5"))
    assert half[: len(quarter)] == quarter
    assert len(half) == 6
    told = user.json(
        "train", "yolov8n", parted, "--start", "random", "--sample", "sample-0.5.json",
        "--size", "64", "--epochs", "1", "--threads", "1", "--out", "part", makes=["part"],
    )  # fmt: skip
    assert told["training"]["train_pictures"] == 6
    assert json.loads((user.folder / "part" / "train.json").read_text())["ids"] == half


def test_a_run_leaves_two_bundles_and_its_curve(user: Any, trained: str) -> None:
    run = user.folder / trained
    for name in ("best", "last"):
        assert open_bundle(run / name).card.classes == tuple(CLASSES)
    history = json.loads((run / "history.json").read_text())
    assert [row["epoch"] for row in history] == list(range(1, 25))
    with (run / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 24
    hidden = {path.name for path in run.iterdir() if path.name.startswith((".", "state"))}
    assert hidden == {LOCK}


def test_evaluate_answers_what_it_promises(scores: dict[str, Any]) -> None:
    for backend, report in zip(("ultralytics", "onnxruntime"), scores.values(), strict=True):
        assert {
            "ap", "ap50", "ap75", "ar100", "per_class", "images", "objects", "interval", "backend",
            "bundle_sha256", "manifest_sha256",
        } <= report.keys()  # fmt: skip
        assert list(report["per_class"]) == CLASSES
        for row in report["per_class"].values():
            assert {"ap", "ap50", "objects"} <= row.keys()
        assert report["images"] == 6
        assert report["objects"] == sum(row["objects"] for row in report["per_class"].values())
        low, high = report["interval"]["ap50"]
        assert low <= report["ap50"] <= high
        assert report["backend"] == backend


def test_checkpoint_and_graph_score_alike(scores: dict[str, Any]) -> None:
    checkpoint, graph = scores.values()
    assert checkpoint["ap50"] > 0.02  # it learned something, so there is something to compare
    assert graph["ap"] == pytest.approx(checkpoint["ap"], abs=0.001)
    assert graph["ap50"] == pytest.approx(checkpoint["ap50"], abs=0.001)
    assert graph["manifest_sha256"] == checkpoint["manifest_sha256"]
    assert graph["bundle_sha256"] != checkpoint["bundle_sha256"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_less_precision_goes_the_same_way(
    user: Any, parted: str, exported: str, scores: dict[str, Any], precision: str
) -> None:
    """From the fp32 export, without torch; a bundle like any other. The detector learned little
    from a dozen pictures, so the gate is given room."""
    words = ["export", exported, "--data", parted, "--precision", precision, "--tolerance", "20"]
    made = user.json(*words, "--threads", "1", "--out", precision, makes=[precision])
    assert made["precision"] == precision
    assert 0 < made["operating_point"] < 1
    assert made["parity"]["ap50"]["before"] > 0
    if precision == "int8":
        assert made["conversion"]["tried"][-1]["refused"] == []
    report = user.json("evaluate", precision, parted, "--threads", "1")
    assert report["precision"] == precision
    assert report["ap50"] == pytest.approx(scores[exported]["ap50"], abs=0.2)
    assert user.json("verify", precision)["bundle_sha256"] == made["bundle_sha256"]


def test_bench_answers_what_it_promises(
    user: Any, parted: str, exported: str, scores: dict[str, Any]
) -> None:
    words = ["bench", exported, parted, "--seconds", "1", "--threads", "1"]
    (row,) = user.json(*words, "--out", "latency.json", makes=["latency.json"])
    assert json.loads((user.folder / "latency.json").read_text()) == [row]
    assert {
        "bundle", "backend", "provider", "device", "precision", "batch", "regime", "samples",
        "warmup", "stages", "throughput", "memory_mb", "power_w", "throttled", "ap50",
        "environment", "too_few",
    } <= row.keys()  # fmt: skip
    assert list(row["stages"]) == ["decode", "fit", "copy_in", "run", "copy_out", "post", "total"]
    spreads = {name: spread for name, spread in row["stages"].items() if spread is not None}
    for spread in spreads.values():
        assert {"mean", "p50", "p90", "p95", "p99", "max"} <= set(spread)
        known = [spread[key] for key in ("p50", "p90", "p95", "p99", "max") if spread[key]]
        assert known == sorted(known)
    assert spreads["total"]["mean"] >= spreads["run"]["mean"] > 0
    floors = {"p90": 64, "p95": 130, "p99": 662}
    short = [name for name, floor in floors.items() if row["samples"] < floor]
    assert row["too_few"] == short
    assert [name for name in floors if spreads["total"][name] is None] == short
    assert row["power_w"] is None or row["power_w"] > 0
    assert row["ap50"] == scores[exported]["ap50"]


@pytest.mark.parametrize("save", ["json", "csv", "coco", "yolo"])
def test_detect(user: Any, parted: str, exported: str, save: str) -> None:
    found = f"found-{save}"
    told = user.json(
        "detect", exported, f"{parted}/test/images", "--threshold", "0.05", "--save", save,
        "--out", found, makes=[found],
    )  # fmt: skip
    out = user.folder / found
    boxes = sum(len(picture["detections"]) for picture in told["pictures"])
    assert len(told["pictures"]) == 6
    assert boxes
    if save == "csv":
        (table,) = out.glob("*.csv")
        with table.open() as file:
            assert len(list(csv.DictReader(file))) == boxes
    elif save == "json":
        assert json.loads((out / "detections.json").read_text())
    else:  # what an annotation tool opens, our own reader opens too
        dataset = open_source(str(out), format=save)
        assert len(dataset) == 6
        assert len(dataset.boxes) == boxes


def test_card_and_verify(user: Any, trained: str, exported: str) -> None:
    card = user.json("card", exported, "--show")
    assert card["classes"] == CLASSES
    assert card["parent"] == user.json("verify", f"{trained}/best")["bundle_sha256"]
    verified = user.json("verify", exported)
    assert verified["bundle_sha256"] == card["bundle_sha256"]
    assert verified["unnamed"] == []
    assert card["reports"]["parity"]["detections"] > 0
    assert card["reports"]["parity"]["matched"] > 0.999


def test_the_model_card_travels_with_the_bundle(user: Any, parted: str, exported: str) -> None:
    user("evaluate", exported, parted, "--threads", "1", "--out", "test.json", makes=["test.json"])
    told = user.json("card", exported, "test.json", makes=[f"{exported}-documented"])
    made = told["documented"]
    assert made["bundle"] == f"{exported}-documented"
    verified = user.json("verify", made["bundle"])
    assert verified["bundle_sha256"] == made["bundle_sha256"]
    assert verified["files"].items() > made["files"].items()
    for name in ("markdown", "html"):
        page = unescape((user.folder / made[name]).read_text())
        assert "Research use only. Not a medical device." in page
        assert made["sentences"][0] in page
    report = user.json("evaluate", made["bundle"], parted, "--threads", "1")
    given = json.loads((user.folder / "test.json").read_text())
    assert (report["ap"], report["detail"]) == (given["ap"], given["detail"])


def test_nothing_made_is_made_again(user: Any, parted: str, trained: str, exported: str) -> None:
    """No verb writes over what is there; the user's watch holds each to it."""
    for words in (
        ["data", "split", "smears", "--out", parted],
        ["data", "convert", parted, "--to", "coco", "--out", parted],
        ["export", f"{trained}/best", "--out", exported],
        ["detect", exported, f"{parted}/test/images", "--out", parted],
        ["evaluate", exported, parted, "--out", f"{parted}/data.yaml"],
    ):
        assert "exists already" in user(*words, code=2).stderr
    again = ["train", "yolov8n", parted, "--start", "random", "--epochs", "1", "--out", trained]
    assert "holds a run already" in user(*again, code=2).stderr


def test_python(user: Any, parted: str, exported: str) -> None:
    import kit

    detector = kit.open(user.folder / exported)
    picture = next(Path(user.folder / parted / "test" / "images").iterdir())
    found = detector(kit.read_picture(picture))
    assert isinstance(found, kit.Detections)
    assert list(detector.classes) == CLASSES
