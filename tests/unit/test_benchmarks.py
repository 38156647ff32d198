"""The scripts of benchmarks/: each tells what it does, and what they compare by is right."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kit.data.dataset import Dataset
from kit.evaluate.outcome import iou
from kit.label.mistakes import KINDS, ranked, suspect
from kit.types import Detections, Example

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the folder, as a script beside it would."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return import_module


def test_there_are_scripts_and_the_readme_lists_each_with_its_command() -> None:
    listed = re.findall(r"python benchmarks/(\w+\.py)", (FOLDER / "README.md").read_text())
    assert sorted(listed) == [path.name for path in SCRIPTS]
    assert len(SCRIPTS) >= 3


def test_their_types_are_checked() -> None:
    settings = (FOLDER.parent / "pyproject.toml").read_text()
    assert re.search(r'^files = \[.*"benchmarks".*\]', settings, re.MULTILINE)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_is_the_manual_page_and_loads_no_vendor(script: Path) -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = [sys.argv[1], '--help']\n"
        f"sys.path.insert(0, {str(FOLDER)!r})\n"
        "try:\n"
        "    runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n"
        "    assert not {'torch', 'ultralytics', 'onnxruntime'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    manual = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert manual is not None
    assert len(manual.splitlines()) > 5
    assert manual in done.stdout
    assert "--out DIR" in done.stdout


def test_a_wrong_option_is_one_message() -> None:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "startup.py"), "--runs", "0"],
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "error: --runs: must be at least 1, it is 0\n"


def test_the_ratio_is_of_medians_and_pairs_share_their_noise(load: Any) -> None:
    common = load("_common")
    rng = np.random.default_rng(0)
    busy = rng.uniform(1, 10, 150)  # the same for both sides of a pair
    found = common.paired_ratio(0.8 * busy, busy)
    assert found.value == pytest.approx(0.8)
    assert found.low == pytest.approx(0.8)
    assert found.high == pytest.approx(0.8)
    apart = common.paired_ratio(0.8 * busy, rng.permutation(busy))
    assert apart.low < 0.8 < apart.high


@pytest.mark.parametrize(("value", "code"), [(0.85, 0), (0.8500001, 3)])
def test_a_report_says_whether_the_promise_is_kept(
    load: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], value: float, code: int
) -> None:
    common = load("_common")
    limits = [common.Limit("ours / theirs", value, 0.85)]
    assert (
        common.write_report(
            "trial", "A trial", "Of reports.", [], limits, {"raw": [1]}, threads=2, out=tmp_path
        )
        == code
    )
    assert ("NOT KEPT" in capsys.readouterr().out) == bool(code)
    told = json.loads((tmp_path / "trial.json").read_text())
    assert told["promises"][0]["kept"] is not bool(code)
    assert told["raw"] == [1]
    page = (tmp_path / "trial.md").read_text()
    for fact in (told["command"], told["date"], told["machine"]["cpu"], told["versions"]["numpy"]):
        assert fact in page.replace("\\", "")


def test_agreement_counts_boxes_both_ways(load: Any) -> None:
    predict = load("vendor_predict")
    theirs = Detections(
        np.array([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]]),
        np.ones(3),
        np.array([0, 1, 2]),
    )
    ours = Detections(
        # the first is near enough, the second of another class, the third overlaps too little
        np.array([[0, 0, 10, 9.5], [20, 20, 30, 30], [50, 50, 60, 58], [70, 70, 80, 80]]),
        np.ones(4),
        np.array([0, 0, 2, 2]),
    )
    found = predict.agree([(theirs, ours), (Detections.empty(), Detections.empty())])
    assert found == {
        "pictures": 2,
        "vendor_boxes": 3,
        "kit_boxes": 4,
        "vendor_found_by_kit": pytest.approx(1 / 3),
        "kit_found_by_vendor": pytest.approx(1 / 4),
    }


def test_errors_are_false_and_missed_boxes_and_cost_is_counted_in_objects(load: Any) -> None:
    chosen = load("next_to_label")
    truth = Detections.truth([[0, 0, 10, 10], [20, 20, 30, 30]], [0, 1])
    found = Detections(
        # a hit, the same object again, another class, too little overlap
        [[0, 0, 10, 9], [0, 0, 10, 8], [20, 20, 30, 30], [25, 20, 35, 30]],
        [0.9, 0.8, 0.7, 0.6],
        [0, 0, 0, 1],
    )
    assert chosen._errors(found, truth) == 4  # three false, one missed
    assert chosen._errors(Detections.empty(), truth) == 2
    assert chosen._errors(found, Detections.empty()) == 4
    assert chosen._errors(truth, truth) == 0
    objects = np.array([10, 20, 5, 5, 5])
    taken = chosen._as_many(objects, np.array([2, 3, 4, 0]), np.array([1]))
    assert taken.tolist() == [2, 3, 4]  # 15 is as near to 20 as 25 is, and cheaper


def test_planted_mistakes_are_what_they_say_and_are_found_where_they_are(load: Any) -> None:
    planting = load("_planting")
    side = np.arange(0, 2000, 20.0)
    boxes = np.stack([side, side, side + 10, side + 10], axis=1)
    none = np.zeros(100, np.uint8)
    truth = Detections.truth(boxes, np.arange(100) % 3)
    example = Example("a.png", Path("a.png"), (2000, 2000), truth, none)
    sound = Dataset.from_examples("set", Path(), ["a", "b", "c"], [example], {})
    planted = planting.plant(sound, 0.1, seed=1)
    assert {kind: int((planted.kind == kind).sum()) for kind in ("missed", "class", "box")} == {
        "missed": 10, "class": 10, "box": 10
    }  # fmt: skip
    now = planted.dataset[0].truth
    assert len(now) == 90
    for row, kind in enumerate(planted.kind):
        place = planted.place[row]
        if kind == "missed":
            assert place == -1
            continue
        assert (now.labels[place] != truth.labels[row]) == (kind == "class")
        overlap = iou(now.xyxy[[place]], boxes[[row]])[0, 0]
        assert 0.3 < overlap < 0.65 if kind == "box" else overlap == 1
    again = planting.plant(sound, 0.1, seed=1)
    assert again.dataset.truth_sha256() == planted.dataset.truth_sha256()
    # a detector that knows the sound labels finds them all, and nothing else
    for kind in (*KINDS, "all"):
        listed = [
            one
            for one in ranked(list(suspect(planted.dataset[0], truth, sound.classes)))
            if one.score > 0 and kind in (one.kind, "all")
        ]
        rows = planting.answers(listed, planted, sound, kind)
        assert len(rows) == (30 if kind == "all" else 10)
        assert len(set(rows)) == len(rows)
        assert all(planted.kind[row] == kind or kind == "all" for row in rows)
        told = planting.count(rows, planted, kind)["at"]
        assert [one["recall"] for one in told] == [0.5, 1.0, 1.0]
        assert [one["precision"] for one in told] == [1.0, 1.0, 0.5]
        assert [one["random"] for one in told] == [1.0, 1.0, 0.5]


def test_two_cells_that_differ_in_one_thing_are_a_difference(load: Any) -> None:
    published = load("_published")
    found = list(published.differences())
    assert len({(each.table, each.what) for each in found}) == len(found)
    whole = {each.what: each for each in found if each.table == "whole sets"}
    assert len(whole) == 9, "of seven cells: three of size, three of model, three of dataset"
    lost = whole["Faster R-CNN, BCCD: 25 % to 100 %"]
    assert (lost.points, lost.paired) == (pytest.approx(0.0377), True)
    across = whole["Faster R-CNN, 100 %: BCCD to Mask"]
    assert (across.points, across.paired) == (pytest.approx(-0.1168), False)


def test_a_difference_survives_what_is_wider_than_all_intervals(load: Any) -> None:
    widths = load("_widths")

    def drawn(own: float, narrow: float, wide: float) -> dict[str, Any]:
        against = {
            name: {"ap50": {"own": own, "paired": paired}}
            for name, paired in (("like", narrow), ("unlike", wide))
        }
        return {"ap50": {"percentile": (0.5, 0.5 + own)}, "against": against}

    found = {"sets": {str(size): [drawn(0.1, 0.02, 0.08)] * 3 for size in (15, 36, 63)}}
    half = widths.halves(found)[36]
    assert half["own"] == (pytest.approx(0.05), pytest.approx(0.05))
    assert half["paired"] == (pytest.approx(0.01), pytest.approx(0.04))
    told = {each["what"]: each for each in widths.verdicts(found) if each["table"] == "whole sets"}
    verdicts = {
        "Faster R-CNN, BCCD: 25 % to 100 %": "open",  # 3.8 points of 1 to 4
        "YOLOv5, BCCD: 25 % to 100 %": "yes",
        "Faster R-CNN, 100 %: BCCD to Mask": "yes",  # 11.7 of 7.1, the root of two squares of 5
    }
    assert {what: told[what]["survives"] for what in verdicts} == verdicts
    across = told["Faster R-CNN, 100 %: BCCD to Mask"]
    assert across["half"] == (pytest.approx(0.005**0.5), pytest.approx(0.005**0.5))
    small = next(each for each in widths.verdicts(found) if abs(each["difference"]) < 0.01)
    assert small["survives"] == "no"


def test_every_side_takes_its_turn_and_the_first_changes(load: Any) -> None:
    predict = load("vendor_predict")

    class Counting:
        def __init__(self, name: str) -> None:
            self.name = name

        def time(self, path: Path, lead: int) -> int:
            return lead

    sides = [Counting(name) for name in "abc"]
    orders = [
        "".join(side.name for side, _ in predict.take_turns(sides, turn, Path("x"), 1, 0.0))
        for turn in range(-1, 3)
    ]
    assert orders == ["cab", "abc", "bca", "cab"]


def test_the_clock_marks_each_epoch(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    training = load("vendor_training")
    now = iter([10.0, 15.0, 17.5])
    monkeypatch.setattr(training.time, "perf_counter", lambda: next(now))
    clock = training._Clock("kit")
    assert [clock.mark(), clock.mark()] == [1, 2]
    assert clock.seconds == [5.0, 2.5]


def test_both_sides_read_one_folder(load: Any, data: Path, tmp_path: Path) -> None:
    training = load("vendor_training")
    folder, pictures = training.write_data(tmp_path / "bccd", 3)
    assert pictures == {"train": 3, "valid": 3, "test": 3}
    assert (folder / "data.yaml").is_file()
    assert len(list((folder / "train" / "labels").glob("*.txt"))) == 3


def test_who_gets_nothing_is_treated_unfairly(load: Any) -> None:
    fairness = load("app_load").fairness
    assert fairness([2.0, 4.0, 3.0]) == 2
    assert fairness([5.0]) == 1
    assert fairness([5.0, 0.0]) == float("inf")
