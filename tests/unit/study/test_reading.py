"""Cells read back: seeds together, folds pooled, nothing pooled or compared that must not be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kit.data.sampling import Draw
from kit.data.source import open_source
from kit.errors import DataError
from kit.evaluate.coco import score
from kit.study.cell import Cell, Setting
from kit.study.reading import Reader, moderated
from kit.study.results import Finished

Fabricate = Callable[..., list[Finished]]


def cells(setting: Setting, seeds: int = 3) -> list[Cell]:
    folds: Sequence[int | None] = [None] if setting.folds is None else range(setting.folds)
    return [Cell(setting, seed, fold) for seed in range(seeds) for fold in folds]


def test_seeds_are_read_together(smears: Path, fabricate: Fabricate) -> None:
    asked = cells(Setting("yolov8n", str(smears)))
    done = fabricate(asked)
    stray = fabricate([Cell(Setting("yolov5n", str(smears)))])
    (reading,) = Reader().read(asked, [*done, *stray])
    assert reading.complete
    assert reading.ap50 is not None
    tests = [each.result.test for each in done]
    assert dict(reading.ap50.scores) == {seed: test.ap50 for seed, test in enumerate(tests)}
    np.testing.assert_array_equal(reading.ap50.drawn[1], done[1].resampled().ap50)
    expected = [test.per_class["RBC"].ap50 for test in tests]
    assert reading.per_class["RBC"] == pytest.approx(np.mean(expected))


def test_folds_are_scored_as_one_set(smears: Path, fabricate: Fabricate) -> None:
    asked = cells(Setting("yolov8n", str(smears), folds=3), seeds=1)
    done = fabricate(asked)
    (reading,) = Reader().read(asked, done)
    (trial,) = reading.trials
    dataset = open_source(str(smears))
    found = {id_: boxes for each in done for id_, boxes in each.found().items()}
    whole = score(dataset, [found[id_] for id_ in dataset.ids])
    assert trial.scores == whole
    assert trial.scores.images == len(dataset)
    low, high = trial.resampled.interval()["ap50"]
    assert low < (whole.ap50 or 0) < high


def test_a_seed_that_lacks_a_fold_does_not_count_and_is_named(
    smears: Path, fabricate: Fabricate
) -> None:
    asked = cells(Setting("yolov8n", str(smears), folds=3), seeds=2)
    done = fabricate([cell for cell in asked if (cell.seed, cell.fold) != (1, 2)])
    (reading,) = Reader().read(asked, done)
    assert [trial.seed for trial in reading.trials] == [0]
    assert len(reading.cells) == 5
    assert not reading.complete
    assert reading.gaps == ("seed 1 doesn't count, of its 3 folds there is no 2",)


def test_what_has_not_begun_has_no_score(smears: Path) -> None:
    (reading,) = Reader().read(cells(Setting("yolov8n", str(smears))), [])
    assert reading.ap50 is None
    assert not reading.complete
    assert not reading.gaps


def test_folds_of_labels_that_changed_are_refused(
    smears: Path, fabricate: Fabricate, tmp_path: Path
) -> None:
    import shutil

    copy = Path(shutil.copytree(smears, tmp_path / "copy"))
    asked = cells(Setting("yolov8n", str(copy), folds=2), seeds=1)
    done = fabricate(asked)
    label = next(path for path in copy.rglob("labels/*.txt") if path.read_text())
    label.write_text("\n".join(label.read_text().splitlines()[1:]))
    with pytest.raises(DataError, match="pictures or labels have changed"):
        Reader().read(asked, done)


def test_seeds_measured_on_different_pictures_are_refused(
    smears: Path, fabricate: Fabricate
) -> None:
    asked = cells(Setting("yolov8n", str(smears)), seeds=2)
    one, other = fabricate(asked)
    test = replace(other.result.test, manifest_sha256="f" * 64)
    moved = replace(other, result=replace(other.result, test=test))
    with pytest.raises(DataError, match="different pictures"):
        Reader().read(asked, [one, moved])


def test_the_usual_deviation_is_that_of_others_on_the_same_pictures(
    smears: Path, fabricate: Fabricate
) -> None:
    here = str(smears)
    settings = [
        Setting("yolov8n", here),
        Setting("yolov8n", here, draw=Draw(fraction=0.5)),
        Setting("yolov8n", here, folds=2),
    ]
    asked = [cell for setting in settings for cell in cells(setting, seeds=2)]
    readings = Reader().read(asked, fabricate(asked))
    first, second, folds = moderated(readings, readings)
    assert first.ap50 is not None
    assert first.ap50.usual is not None
    assert readings[1].ap50 is not None
    deviation = readings[1].ap50.deviation or 0
    assert first.ap50.usual.variance == pytest.approx(deviation**2)
    assert first.ap50.usual.degrees == 1
    assert second.ap50 is not None
    assert second.ap50.usual is not None
    assert folds.ap50 is not None
    assert folds.ap50.usual is None, "nobody else was measured on all pictures"
