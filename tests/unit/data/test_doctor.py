"""Every kind of fault is found in a dataset made to have it, and none in one that is sound."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.data import smear
from kit.data.dataset import Dataset, Note
from kit.data.doctor import Diagnosis, examine, groups_of, usable, wilson_perfect
from kit.data.findings import noted
from kit.errors import DataError, UsageError
from kit.types import Detections, Example

SOUND = {"train": 6, "valid": 2, "test": 2}
BOX = (10.0, 10.0, 60.0, 60.0)
Boxes = Sequence[tuple[tuple[float, float, float, float], int]]


def build(
    root: Path,
    splits: Mapping[str, int] = SOUND,
    boxes: Mapping[int, Boxes] | None = None,
    classes: Sequence[str] = ("cell",),
    per_picture: int = 40,
    **rest: Any,
) -> Dataset:
    """Smears, so no two look alike, with ``per_picture`` distinct boxes unless given."""
    plenty = [((4.0 * k, 10.0, 4.0 * k + 50, 60.0 + k), 0) for k in range(per_picture)]
    examples, lists = [], {}
    for split, count in splits.items():
        lists[split] = []
        for _ in range(count):
            index = len(examples)
            path = root / f"slide{index // 2}_{index}.png"
            cv2.imwrite(str(path), smear.draw(1, index)[0])
            held = (boxes or {}).get(index, plenty)
            truth = Detections.truth([box for box, _ in held], [label for _, label in held])
            free = np.zeros(len(held), np.uint8)
            examples.append(Example(path.name, path, (320, 240), truth, free))
            lists[split].append(path.name)
    return Dataset.from_examples("made", root, classes, examples, lists, **rest)


def codes(diagnosis: Diagnosis) -> dict[str, tuple[str, int]]:
    return {finding.code: (finding.severity, finding.count) for finding in diagnosis.findings}


def test_a_sound_dataset_has_no_findings(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    diagnosis = examine(dataset, group_by=r"_(\d+)")
    assert codes(diagnosis) == {}
    diagnosis.require_sound("here")
    assert diagnosis.counts["train"] == {"cell": 240}
    assert diagnosis.pictures == {"all": 10, **SOUND}
    assert usable(dataset) is dataset


def test_whatever_a_reader_may_note_is_worded_and_judged() -> None:
    codes = get_args(Note)  # mypy holds the readers to these
    found = list(noted({code: ["a.txt"] for code in codes}))
    assert [finding.code for finding in found] == list(codes)
    assert all(finding.message.startswith("1 ") for finding in found)
    assert not [f for f in found if f.message == f"1 {f.code.replace('_', ' ')}"]


@pytest.mark.parametrize(
    ("box", "code"),
    [
        ((30, 30, 30, 60), "unusable_box"),
        ((30, 60, 60, 30), "unusable_box"),
        ((400, 30, 460, 60), "unusable_box"),
        ((290, 30, 330, 60), "box_outside"),
        ((30, 30, 31.5, 60), "tiny_box"),
        ((319, 30, 340, 60), "tiny_box"),
        ((44.2, 10, 94, 71.1), "duplicate_box"),
    ],
)
def test_bad_boxes(tmp_path: Path, box: tuple[float, float, float, float], code: str) -> None:
    plenty = [((4.0 * k, 10.0, 4.0 * k + 50, 60.0 + k), 0) for k in range(40)]
    found = examine(build(tmp_path, boxes={3: [(box, 0), *plenty]}))
    assert codes(found)[code] == ("warning", 1)
    assert "slide1_3.png" in next(f for f in found.findings if f.code == code).examples
    assert not found.errors


def test_rounding_at_the_border_is_no_fault(tmp_path: Path) -> None:
    dataset = build(tmp_path, boxes={3: [((-0.6, -0.9, 320.8, 240.4), 0)]}, per_picture=60)
    assert codes(examine(dataset)) == {}
    assert usable(dataset).boxes[3 * 60].tolist() == [0, 0, 320, 240]


def test_one_box_of_two_classes(tmp_path: Path) -> None:
    many: Boxes = [((4.0 * k, 10.0, 4.0 * k + 50, 90.0), k % 2) for k in range(60)]
    boxes = dict.fromkeys(range(10), many) | {0: [*many, (BOX, 0), (BOX, 1)]}
    found = codes(examine(build(tmp_path, boxes=boxes, classes=["a", "b"])))
    assert found == {"conflicting_box": ("warning", 1)}


def test_classes_unlisted_empty_absent_and_rare(tmp_path: Path) -> None:
    boxes: dict[int, Boxes] = {0: [(BOX, 9)], 8: [(BOX, 1)], 1: [(BOX, 2)]}
    found = examine(build(tmp_path, boxes=boxes, classes=["a", "b", "c", "d"]))
    got = {(f.code, f.severity, f.count, f.examples) for f in found.findings}
    assert ("unknown_class", "error", 1, ("slide0_0.png",)) in got
    assert ("empty_class", "warning", 1, ("d",)) in got
    assert ("absent_class", "error", 1, ("b",)) in got  # of train
    assert ("absent_class", "warning", 2, ("b", "c")) in got  # of valid
    assert ("absent_class", "warning", 1, ("c",)) in got  # of test
    assert ("rare_class", "warning", 1, ("c 1",)) in got
    with pytest.raises(DataError, match="can't be learned"):
        found.require_sound("here")


def test_splits_none_missing_empty_shared(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    assert codes(examine(replace(dataset, splits={}))) == {"no_splits": ("warning", 1)}
    two = {name: dataset.splits[name] for name in ("train", "valid")}
    assert codes(examine(replace(dataset, splits=two))) == {"missing_split": ("warning", 1)}
    empty = {**dataset.splits, "valid": np.zeros(0, np.int64)}
    assert codes(examine(replace(dataset, splits=empty)))["empty_split"] == ("error", 1)
    shared = {**dataset.splits, "test": np.array([0, 8, 9])}
    assert codes(examine(replace(dataset, splits=shared))) == {"shared_picture": ("error", 1)}


def test_damaged_and_missing_pictures(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    whole = (tmp_path / "slide0_0.png").read_bytes()
    (tmp_path / "slide0_0.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "slide0_1.png").unlink()
    found = examine(dataset)
    assert codes(found) == {"unreadable_picture": ("error", 2)}
    assert "cut off" in found.findings[0].examples[0]


def test_a_picture_of_another_size_than_stated(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    sizes = dataset.sizes.copy()
    sizes[2] = (640, 480)
    assert codes(examine(replace(dataset, sizes=sizes))) == {"size_mismatch": ("warning", 1)}


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("unreadable_picture", "error"),
        ("unknown_class", "error"),
        ("bad_label", "error"),
        ("size_mismatch", "warning"),
        ("label_without_picture", "warning"),
        ("picture_without_label", "warning"),
        ("split_without_picture", "warning"),
        ("a_code_of_tomorrow", "warning"),
    ],
)
def test_what_readers_note_is_told(tmp_path: Path, code: str, severity: str) -> None:
    dataset = build(tmp_path, notes={code: ["a", "b", "c", "d", "e", "f"]})
    found = examine(dataset)
    assert codes(found) == {code: (severity, 6)}
    assert str(found.findings[0]).endswith("a, b, c, d, e, ...")


def copy(root: Path, source: int, target: int, *, exact: bool) -> None:
    names = [root / f"slide{index // 2}_{index}.png" for index in (source, target)]
    if exact:
        names[1].write_bytes(names[0].read_bytes())
    else:
        picture = cv2.imread(str(names[0]))
        assert picture is not None
        cv2.imwrite(str(names[1]), np.clip(picture[:, ::-1] * 1.05, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("source", "target", "where", "severity"),
    [
        (0, 9, "_in_test", "error"),
        (7, 9, "_in_test", "error"),
        (0, 7, "_in_valid", "error"),
        (0, 3, "", "warning"),
    ],
)
def test_duplicates(
    tmp_path: Path, exact: bool, source: int, target: int, where: str, severity: str
) -> None:
    dataset = build(tmp_path)
    copy(tmp_path, source, target, exact=exact)
    code = ("duplicate" if exact else "near_duplicate") + where
    found = examine(dataset)
    assert codes(found) == {code: (severity, 1)}
    names = found.findings[0].examples[0]
    assert dataset.ids[source] in names
    assert dataset.ids[target] in names


def test_one_leak_into_many_valid_pictures_is_a_warning(tmp_path: Path) -> None:
    dataset = build(tmp_path, {"train": 6, "valid": 20, "test": 2})
    copy(tmp_path, 0, 7, exact=False)
    assert codes(examine(dataset)) == {"near_duplicate_in_valid": ("warning", 1)}


def test_a_leak_is_found_through_a_copy_that_is_in_no_split(tmp_path: Path) -> None:
    dataset = build(tmp_path)
    copy(tmp_path, 0, 5, exact=True)
    copy(tmp_path, 0, 9, exact=True)
    outside = {**dataset.splits, "train": np.array([1, 2, 3, 4, 5])}  # the first one is in none
    assert codes(examine(replace(dataset, splits=outside))) == {"duplicate_in_test": ("error", 1)}


def test_patients_across_splits(tmp_path: Path) -> None:
    dataset = build(tmp_path, {"train": 5, "valid": 3, "test": 2})
    found = examine(dataset, group_by=r"slide(\d+)")
    assert codes(found) == {"shared_group": ("error", 1)}
    assert found.findings[0].examples == ("2 in train and valid",)
    groups = tuple("abcdefghia")
    assert codes(examine(replace(dataset, groups=groups))) == {"shared_group": ("error", 1)}
    assert codes(examine(dataset, group_by="slide(0)"))["no_group"] == ("warning", 8)


@pytest.mark.parametrize("pattern", ["slide", "([", "patient(.)"])
def test_expressions_that_name_no_group_are_refused(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match=r"patient or slide|regular expression|matches no picture"):
        groups_of(build(tmp_path), pattern)


def test_tiny_test_sets_tell_what_a_perfect_score_would_mean(tmp_path: Path) -> None:
    few: Boxes = [((10.0 * k, 10.0, 10.0 * k + 50, 60.0), 0) for k in range(10)]
    found = examine(build(tmp_path, boxes={8: few, 9: few[:6]}))
    assert codes(found) == {"tiny_test": ("warning", 2)}
    assert "finding all 16" in found.findings[0].examples[0]
    assert found.perfect["cell"] == pytest.approx(0.80639, abs=1e-5)  # 16 / (16 + 1.96^2)


@given(st.integers(1, 10**6))
def test_wilson_of_a_perfect_score_solves_its_equation(count: int) -> None:
    """The lower end p is where the score test just accepts: (1 - p)^2 = z^2 p (1 - p) / n."""
    low = wilson_perfect(count)
    assert (1 - low) ** 2 == pytest.approx(1.959963984540054**2 * low * (1 - low) / count)


corner = st.floats(-50, 400, allow_nan=False)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(corner, corner, corner, corner, st.integers(0, 3)), max_size=20))
def test_usable_keeps_order_and_is_stable(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float, float, float, int]]
) -> None:
    truth = Detections.truth([row[:4] for row in rows], [row[4] for row in rows])
    free = np.arange(len(rows)).astype(np.uint8)
    example = Example("a.png", Path("a.png"), (320, 240), truth, free)
    empty = Example("b.png", Path("b.png"), (9, 9), Detections.empty(), np.zeros(0, np.uint8))
    dataset = Dataset.from_examples("set", Path(), ["a", "b", "c"], [empty, example], {})
    kept = usable(dataset)
    boxes = kept[1].truth
    assert len(kept[0].truth) == 0
    assert (boxes.area > 0).all()
    assert (boxes.xyxy >= 0).all()
    assert (boxes.xyxy <= (320, 240, 320, 240)).all()
    assert (boxes.labels < 3).all()
    assert np.array_equal(kept[1].ignore, np.sort(kept[1].ignore))
    for number, (x0, y0, x1, y1, label) in enumerate(rows):
        width, height = min(x1, 320) - max(x0, 0), min(y1, 240) - max(y0, 0)
        solid = width > 0 and height > 0 and width * height > 0 and label < 3
        assert (number in kept[1].ignore) == solid
    assert usable(kept) is kept


def test_bccd_is_trainable_and_its_flaws_are_found() -> None:
    if "KIT_DATA" not in os.environ:
        pytest.skip("KIT_DATA is not set: the real datasets are not here")
    from kit.data.source import open_source

    found = examine(open_source(str(Path(os.environ["KIT_DATA"]) / "bccd")))
    assert not found.errors
    by_code = {finding.code: finding for finding in found.findings}
    stems = {Path(id_).stem for id_ in by_code["unusable_box"].examples}
    assert stems == {"BloodImage_00338", "BloodImage_00343"}
    assert by_code["unusable_box"].count == 2
    # one field at two depths of focus, 37 in valid and 38 in train: seen by eye
    assert by_code["near_duplicate_in_valid"].count == 1
    assert set(by_code) == {"unusable_box", "near_duplicate_in_valid"}


@pytest.mark.parametrize("folder", ["mask-wearing", "vehicles-openimages"])
def test_other_real_datasets_raise_no_false_alarm(folder: str) -> None:
    if "KIT_DATA" not in os.environ:
        pytest.skip("KIT_DATA is not set: the real datasets are not here")
    from kit.data.source import open_source

    found = examine(open_source(str(Path(os.environ["KIT_DATA"]) / folder)))
    assert {finding.code for finding in found.findings} == {"tiny_test"}
