"""`kit evaluate`, `bench`, `detect`, `card` and `verify` as a user without torch runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from doubles.graph import whole_picture_graph

from kit.bundle import BundleCard, save_bundle
from kit.cards import Input
from kit.cli.root import main

WITHOUT_TORCH = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "ultralytics"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from kit.cli.root import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, and a dataset of two bright and two dark pictures: it finds them all."""
    root = tmp_path_factory.mktemp("measuring")
    card = BundleCard(
        name="bright-or-dark", kind="onnx", family="none", model="none", architecture="mean",
        licence="Apache-2.0", classes=("bright", "dark"), input=Input(64, fit="stretch"),
        suppress=None, weights="model.onnx", files={},
    )  # fmt: skip
    save_bundle(root / "bundle", card, {"model.onnx": whole_picture_graph(64)})
    for folder in ("images", "labels"):
        (root / "data" / "test" / folder).mkdir(parents=True)
    for index, value in enumerate((250, 240, 5, 15)):
        picture = np.full((60, 90, 3), value, np.uint8)
        cv2.imwrite(str(root / f"data/test/images/{index}.png"), picture)
        label = root / f"data/test/labels/{index}.txt"
        label.write_text(f"{int(value < 128)} 0.5 0.5 1 1\n")
    (root / "data/data.yaml").write_text("test: test/images\nnames: [bright, dark]\n")
    return root


def kit(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        cwd=place, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "", "COLUMNS": "200"},
    )  # fmt: skip


def answer(place: Path, *words: str) -> Any:
    done = kit(place, *words, "--json", "-")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_evaluate(place: Path) -> None:
    data = answer(place, "evaluate", "bundle", "data", "--out", "report.json")
    assert (data["ap"], data["ap50"], data["images"]) == (1.0, 1.0, 4)
    assert data["provider"] == "CPUExecutionProvider"
    assert json.loads((place / "report.json").read_text()) == data
    again = kit(place, "evaluate", "bundle", "data", "--out", "report.json")
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_evaluate_tells_how_sure_each_figure_is(place: Path) -> None:
    data = answer(place, "evaluate", "bundle", "data", "--match", "centre", "--page", "e.html")
    found = data["detail"]
    assert (found["drawn_by"], found["units"], found["resamples"]) == ("picture", 4, 2000)
    assert found["figures"]["sensitivity"]["n"] == 4
    assert found["figures"]["precision"]["value"] == 1.0
    assert set(found["per_class"]) == {"bright", "dark"}
    assert found["shares"]["every_object_found"] | {"interval": 0} == {
        "count": 4, "n": 4, "interval": 0,
    }  # fmt: skip
    assert found["froc"]["match"] == "centre"
    assert found["froc"]["pooled"]["score"] == 1.0
    page = (place / "e.html").read_text()
    assert page.count("<svg") == 2  # FROC, and what errors cost
    assert "its centre lies in the box" in page
    assert "http" not in page.replace("http-equiv", "")
    told = kit(place, "evaluate", "bundle", "data").stdout
    for words in ("4 pictures drawn anew 2000 times", "Wilson", "1/8", "no false positive"):
        assert words in told


def test_a_worse_detector_is_refused(place: Path) -> None:
    answer(place, "evaluate", "bundle", "data", "--out", "sees.json")
    answer(place, "evaluate", "bundle", "data", "--backend", "null", "--out", "sees-nothing.json")
    words = ("compare", "sees.json", "sees-nothing.json")
    found = answer(place, *words)
    assert [each["verdict"] for each in found["changes"]] == ["worse"] * 3 + ["not measurable"]
    refused = kit(place, *words, "--refuse-worse", "--json", "-")
    assert refused.returncode == 3
    assert "is worse than" in refused.stderr
    assert json.loads(refused.stdout) == found, "what was seen is written all the same"
    for allowed in (
        ("compare", "sees-nothing.json", "sees.json", "--refuse-worse"),
        ("compare", "sees.json", "sees.json", "--refuse-worse"),
        (*words, "--refuse-worse", "--margin", "1"),
    ):
        assert kit(place, *allowed).returncode == 0
    for wrong in (
        (*words, "--margin", "2"),
        (*words, "--refuse-worse", "--figure", "precision"),
        ("compare", "sees.json", "bundle/card.json"),
        ("compare", "sees.json", "nowhere.json"),
    ):
        done = kit(place, *wrong)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr


def test_evaluate_with_nothing_found(place: Path) -> None:
    data = answer(place, "evaluate", "bundle", "data", "--backend", "null")
    assert (data["ap50"], data["backend"], data["provider"]) == (0.0, "null", "null")


def test_bench(place: Path) -> None:
    rows = answer(place, "bench", "bundle", "bundle", "data", "--seconds", "0.1", "--batch", "2")
    assert len(rows) == 2
    for row in rows:
        assert set(row["stages"]) == {
            "decode", "fit", "copy_in", "run", "copy_out", "post", "total"
        }  # fmt: skip
        assert {"mean", "p50", "p90", "p95", "p99", "max"} <= set(row["stages"]["total"])
        assert {
            "bundle", "backend", "provider", "device", "precision", "batch", "regime", "samples",
            "warmup", "throughput", "memory_mb", "power_w", "throttled", "ap50", "environment",
            "too_few",
        } <= set(row)  # fmt: skip
        assert (row["ap50"], row["batch"], row["streams"]) == (1.0, 2, 1)
        assert row["power_w"] is None or row["power_w"] > 0, "never 0"
        assert row["stages"]["copy_in"] is None
        assert row["floor"]["p50"] > 0, "the same path without a graph"
        assert row["load_ms"] > 0


def test_bench_of_every_load_on_a_page(place: Path) -> None:
    words = ("bench", "bundle", "data", "--seconds", "0.2", "--rate", "200")
    loads = ("--regime", "burst,paced,soak", "--batch", "1,2", "--streams", "2")
    rows = answer(place, *words, *loads, "--out", "rows.json", "--page", "rows.html")
    assert [(row["regime"], row["batch"]) for row in rows] == [
        (regime, batch) for regime in ("burst", "paced", "soak") for batch in (1, 2)
    ]
    assert {row["streams"] for row in rows} == {2}
    assert [row["missed"] is None for row in rows] == [True, True, False, False, True, True]
    assert [row["load_ms"] is None for row in rows] == [False] + [True] * 5, "then it is warm"
    page = (place / "rows.html").read_text()
    assert "paced" in page
    assert page.count("<svg") == 3
    done = kit(place, "compare", "rows.json", "rows.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("tie: 1.000 of its median") == 6
    found = answer(place, "compare", "rows.json", "rows.json")
    assert {each["verdict"] for each in found} == {"tie"}


def test_detect(place: Path) -> None:
    data = answer(place, "detect", "bundle", "data/test/images", "--out", "found")
    assert [p["detections"][0]["class"] for p in data["pictures"]] == ["bright"] * 2 + ["dark"] * 2
    assert data["pictures"][0]["detections"][0]["xyxy"] == [0, 0, 90, 60]
    assert (place / "found/drawn/0.png.jpg").is_file()
    for expected in ("detections", "detections-2"):
        done = kit(place, "detect", "bundle", "data/test/images/0.png")
        assert done.returncode == 0
        assert expected in done.stdout
        assert (place / expected / "detections.json").is_file()


def test_tiles_are_recorded_wherever_something_is_written(place: Path) -> None:
    """Pictures are cut in two; this graph's box on a tile is cut too, and dropped."""
    tiling = {"side": 64, "overlap": 0.5}
    tile = ("--tile", "64,0.5")
    report = answer(place, "evaluate", "bundle", "data", *tile)
    assert (report["tiling"], report["ap"], report["per_class"]["dark"]["ap"]) == (tiling, 1, 1)
    assert answer(place, "evaluate", "bundle", "data")["tiling"] is None
    told = answer(place, "detect", "bundle", "data/test/images", *tile, "--out", "tiled")
    assert told["tiling"] == tiling
    assert told["pictures"][0]["detections"][0]["xyxy"] == [0, 0, 90, 60]
    assert json.loads((place / "tiled/detections.json").read_text())["tiling"] == tiling
    assert "tiles of 64 px, overlap 0.5" in kit(place, "evaluate", "bundle", "data", *tile).stdout


def test_what_tiles_cost_can_be_compared(place: Path) -> None:
    words = ("bench", "bundle", "data", "--seconds", "0.1")
    assert answer(place, *words, "--out", "as-ever.json")[0]["tiling"] is None
    rows = answer(place, *words, "--tile", "64", "--out", "tiled.json")
    assert [(row["tiling"], row["ap50"]) for row in rows] == [({"side": 64, "overlap": 0.2}, 1)]
    done = kit(place, "compare", "as-ever.json", "tiled.json")
    assert done.returncode == 0, done.stderr
    assert "tiles of 64 px, overlap 0.2\n  against" in done.stdout


@pytest.mark.parametrize("verb", ["detect", "evaluate", "bench"])
@pytest.mark.parametrize(
    ("tile", "complaint"),
    [
        ("31", "at least 32 pixels, it is 31"),
        ("640,0.9", "below 0.9, it is 0.9"),
        ("640,nan", "below 0.9, it is nan"),
        ("640,-0.1", "0 or more"),
        ("large", "SIDE,OVERLAP"),
        ("640,", "SIDE,OVERLAP"),
        ("640,0.2,3", "SIDE,OVERLAP"),
    ],
)
def test_what_is_no_tiling_is_refused(
    verb: str, tile: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main((verb, "bundle", "data", "--tile", tile))
    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err.splitlines()[-1]


def test_card_and_verify(place: Path) -> None:
    card = answer(place, "card", "bundle")
    assert card["classes"] == ["bright", "dark"]
    assert answer(place, "verify", "bundle")["bundle_sha256"] == card["bundle_sha256"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("evaluate", "nowhere", "data"), "not a bundle"),
        (("evaluate", "bundle", "nowhere"), "no such folder"),
        (("evaluate", "bundle", "data", "--split", "valid"), "there is no split 'valid'"),
        (("evaluate", "bundle", "data", "--backend", "nonesuch"), "no backend of this name"),
        (("evaluate", "bundle", "data", "--device", "cuda:x"), "no such device"),
        (("bench", "bundle", "data", "--seconds", "-1"), "--seconds"),
        (("bench", "bundle", "data", "--rate", "0"), "--rate"),
        (("bench", "bundle", "data", "--rate", "inf"), "--rate"),
        (("bench", "bundle", "data", "--seconds", "nan"), "--seconds"),
        (("bench", "bundle", "data", "--page", "data/data.yaml"), "exists already"),
        (("compare", "nowhere.json", "nowhere.json"), "nowhere.json"),
        (("compare", "bundle/card.json", "bundle/card.json"), "not a latency report"),
        (("detect", "bundle", "data", "--threshold", "3"), "--threshold"),
        (("detect", "bundle", "nowhere"), "no such picture"),
        (("verify", "data"), "not a bundle"),
    ],
)
def test_a_mistake_is_one_message_and_leaves_nothing(
    place: Path,
    words: tuple[str, ...],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    assert main(words) == 2
    told = capsys.readouterr()
    assert complaint in told.err
    assert told.out == ""
    assert sorted(place.iterdir()) == before
