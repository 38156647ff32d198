"""The report as its reader has it: the page, the Markdown with its plots, the plain data."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from kit.data.doctor import usable
from kit.data.sampling import ALL, Draw
from kit.data.source import open_source
from kit.report.page import Facts, Page, Pictures, Plot, Section, Table, Text
from kit.report.plots import svg
from kit.study import samples
from kit.study.account import account
from kit.study.cell import Cell
from kit.study.compared import rows_of
from kit.study.page import tell, write_report
from kit.study.plots import dots, has_curves, learning_curves, sample_curves
from kit.study.reading import Reader
from kit.study.results import Finished
from kit.study.study import Grid, Published, Study
from kit.types import Detections

Fabricate = Callable[..., list[Finished]]
QUARTER, RANDOM, THREE = Draw(fraction=0.25), Draw("random", fraction=0.25), Draw(images=3)
MISSING, DIED = "the weights are not here\n  -> kit fetch yolov5n", "out of memory"


@dataclass(frozen=True)
class Made:
    study: Study
    finished: list[Finished]
    not_run: dict[Cell, str]
    failed: dict[Cell, str]

    def page(self) -> Page:
        told = account(
            self.study, self.finished, not_run=self.not_run, failed=self.failed, latency={}
        )
        return tell(told)

    def write(self, folder: Path) -> list[str]:
        return write_report(
            folder, self.study, self.finished, not_run=self.not_run, failed=self.failed
        )


@pytest.fixture(scope="module")
def made(smears: Path, fabricate: Fabricate) -> Made:
    """Two grids; one model could not be run, one cell failed, one overfits."""
    source = str(smears)
    first = Grid(
        "How many?",
        ("yolov8n", "yolov5n"),
        (source,),
        (QUARTER, RANDOM, ALL),
        seeds=(0, 1),
        published=(
            Published("yolov8n", source, 0.02, "table 1", QUARTER),
            Published("yolov8n", source, 0.999, "table 2"),
            Published("yolov5n", source, 0.5, "table 3"),
            Published("yolov8n", source, 0.4, "table 4", THREE),
        ),
    )
    second = Grid("Where from?", ("yolov8n",), (source,), starts=("coco", "random"), seeds=(0,))
    study = Study("made-up", "Is it read well?", (first, second))
    not_run = {cell: MISSING for cell in study.cells() if cell.setting.model == "yolov5n"}
    cells = [cell for cell in study.cells() if cell not in not_run]
    (dead,) = (cell for cell in cells if cell.setting.draw == RANDOM and cell.seed == 1)
    ill = Cell(cells[0].setting, 0)
    finished = [
        *fabricate([ill], lambda _: 0.7, overfit=True),
        *fabricate([cell for cell in cells if cell not in (ill, dead)]),
    ]
    return Made(study, finished, not_run, {dead: DIED})


@pytest.fixture(scope="module")
def page(made: Made) -> Page:
    return made.page()


def find(page: Page, words: str) -> Any:
    """The section whose title has these words."""
    (found,) = (section for section in page.sections if words in section.title)
    return found


def column(table: Table, name: str) -> list[Any]:
    return [row[list(table.header).index(name)] for row in table.rows]


def words(drawing: str) -> list[str]:
    return [node.text or "" for node in ET.fromstring(drawing).iter("text")]


def test_the_table_of_a_grid(page: Page) -> None:
    table = find(page, "How many? · accuracy")
    assert column(table, "model") == ["yolov8n"] * 3 + ["yolov5n"] * 3
    assert column(table, "sample")[:3] == ["balanced 25%", "random 25%", "all"]
    assert column(table, "cells") == ["2 of 2", "1 of 2", "2 of 2", "0 of 2", "0 of 2", "0 of 2"]
    assert column(table, "verdict") == ["beaten", None, "below", None, None, None]
    assert column(table, "published") == [0.02, None, 0.999, None, None, 0.5]
    assert column(table, "AP50")[3:] == [None] * 3
    assert column(table, "deviation")[1] is None
    assert sorted(filter(None, column(table, "to the best")))[-1][:4] in ("best", "tie ")
    assert table.note is not None
    assert "start coco" in table.note
    assert "Published, but of no row here: 0.400 (table 4)." in table.note


def test_what_was_not_run_and_what_failed_is_listed_with_its_reason(page: Page) -> None:
    assert column(find(page, "Not run"), "reason") == [" ".join(MISSING.split())] * 6
    assert column(find(page, "Failed"), "reason") == [DIED]
    facts = dict(find(page, "At a glance").items)
    assert facts["Fine-tunings done"] == "6 of 13"
    assert facts["Published figures beaten"] == "1 of 3"
    assert (facts["Below"], facts["Not measured"]) == (1, 1)


def test_cost_that_is_not_known_is_a_dash_and_never_0(
    page: Page, smears: Path, fabricate: Fabricate
) -> None:
    assert column(find(page, "How many? · cost"), "energy (Wh)") == [None] * 6
    grid = Grid("g", ("yolov8n",), (str(smears),))
    known = fabricate(grid.cells(), energy_wh=12.5)
    page = Made(Study("s", "a", (grid,)), known, {}, {}).page()
    assert column(find(page, "cost"), "energy (Wh)") == [12.5]
    assert dict(find(page, "At a glance").items)["Energy (Wh)"] == 12.5


def test_a_cell_that_overfits_is_named(made: Made, page: Page) -> None:
    table = find(page, "Overfitting")
    assert column(table, "cell") == [str(made.finished[0].result.cell)]
    assert "1 of 6 cells overfit" in table.note
    drawn = words(svg(learning_curves(rows_of(made.study.grids[0], Reader().read(
        made.study.grids[0].cells(), made.finished)))))  # fmt: skip
    assert "1 of 2 overfit" in drawn


def test_an_object_nobody_finds_is_pointed_at(made: Made, page: Page) -> None:
    blind = []
    for each in made.finished:
        test = each.result.test
        wbc = replace(test.per_class["WBC"], ap50=0.0)
        seen = replace(test, per_class={**test.per_class, "WBC": wbc})
        blind.append(replace(each, result=replace(each.result, test=seen)))
    note = find(replace(made, finished=blind).page(), "How many? · AP50 by class").note
    assert "Exactly 0, though there are objects to find: WBC in 3 of 3 rows." in note
    assert "Exactly 0" not in find(page, "How many? · AP50 by class").note


def test_curves_by_rule_end_in_all_pictures(made: Made) -> None:
    grid = made.study.grids[0]
    rows = rows_of(grid, Reader().read(grid.cells(), made.finished))
    assert has_curves(rows)
    drawing = svg(sample_curves(rows))
    assert drawing == svg(sample_curves(rows)), "same data, same bytes"
    told = words(drawing)
    assert {"25", "100", "% of the training pictures", "balanced", "random", "yolov8n",
            "published"} <= set(told)  # fmt: skip
    assert "yolov5n" not in told, "it was not measured"
    other = made.study.grids[1]
    starts = rows_of(other, Reader().read(other.cells(), made.finished))
    assert not has_curves(starts), "nothing but the start differs"
    assert {"coco", "random"} <= set(words(svg(dots(starts))))


@pytest.mark.parametrize(
    ("draws", "unit"),
    [
        ((QUARTER, ALL), "% of the training pictures"),
        ((Draw(objects=50), ALL), "labelled objects trained on"),
        ((THREE, ALL), "pictures trained on"),
        ((THREE, QUARTER, Draw(objects=50)), "pictures trained on"),
    ],
)
def test_the_axis_is_what_all_samples_can_be_told_by(
    smears: Path, fabricate: Fabricate, draws: tuple[Draw, ...], unit: str
) -> None:
    grid = Grid("g", ("yolov8n",), (str(smears),), draws)
    done = fabricate(grid.cells(), resamples=20)
    assert unit in words(svg(sample_curves(rows_of(grid, Reader().read(grid.cells(), done)))))


def test_pictures_are_the_same_for_all_settings(page: Page) -> None:
    shown = [section for section in page.sections if isinstance(section, Pictures)]
    assert len(shown) == samples.PICTURES
    captions = [figure.caption for figure in shown[0].figures]
    assert captions[0].startswith("The labels: ")
    assert len(captions) == 5, "the labels, three samples and the random start"
    assert captions[1].startswith("balanced 25%, coco: ")


def test_a_sample_shows_each_class_from_its_own_threshold(smears: Path) -> None:
    dataset = usable(open_source(str(smears)))
    found = Detections([[5, 5, 20, 20]] * 3, [0.6, 0.6, 0.8], [0, 1, 1])
    points = dict(zip(dataset.classes, (0.5, 0.7, 0.5), strict=True))
    view = samples._View("one", {dataset.ids[0]: found}, points)
    [_, shown] = samples._figures(dataset, dataset.ids[0], [view])
    assert shown.caption == "one: 2 found"


def test_large_studies_show_fewer(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST", 4)
    shown = [section for section in made.page().sections if isinstance(section, Pictures)]
    assert sum(len(section.figures) for section in shown) <= 4
    assert "3 of 4 settings" in str(shown[0].note)


def test_without_the_data_the_rest_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    from kit.errors import DataError

    def gone(source: str, **_: Any) -> None:
        raise DataError("there is no such folder", where=source)

    monkeypatch.setattr("kit.study.reading.open_source", gone)
    page = made.page()
    assert "Not shown: " in find(page, "Sample predictions").paragraphs[0]
    assert column(find(page, "How many? · accuracy"), "AP50")[0] is not None


def test_the_files(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "report"
    (folder / "plots").mkdir(parents=True)
    (folder / "plots" / "of-an-older-report.png").touch()
    lines = made.write(folder)
    assert re.match(r"on .+ wins yolov8n.+\n  kit export .+ --out .+", lines[0])
    html, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    assert not re.findall(r"(?:https?|ftp|file):", html)
    links = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert len(links) == 4, "a plot of scores and one of learning curves, of two grids"
    for link in links:
        assert cv2.imread(str(folder / link)) is not None
        drawing = (folder / link).with_suffix(".svg").read_text()
        assert ET.fromstring(drawing).tag == "{http://www.w3.org/2000/svg}svg"
    assert {path.name for path in (folder / "plots").iterdir()} == {
        Path(link).with_suffix(suffix).name for link in links for suffix in (".png", ".svg")
    }
    assert "data:image" not in text
    assert "They are in report.html" in text
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    made.write(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_the_record_says_what_the_page_says(made: Made, page: Page, tmp_path: Path) -> None:
    made.write(tmp_path / "report")
    record = json.loads((tmp_path / "report" / "results.json").read_text())
    assert (record["cells"]["asked"], len(record["cells"]["done"])) == (13, 6)
    assert set(record["cells"]["failed"].values()) == {DIED}
    table = find(page, "How many? · accuracy")
    rows = record["grids"][0]["rows"]
    assert [row["ap50"]["mean"] if row["ap50"] else None for row in rows] == column(table, "AP50")
    assert rows[0]["published"] == {"ap50": 0.02, "source": "table 1", "verdict": "beaten"}
    assert rows[0]["cells"][0]["overfits"] is True
    assert rows[0]["cells"][0]["energy_wh"] is None
    (winner,) = record["winners"]
    assert (Path(winner["bundle"]) / "card.json").is_file()
    assert record["environment"]["numpy"] == "2.4.6"
    assert record["environment"]["date"] == "2026-11-01 to 2026-11-02"


def test_every_kind_of_study_can_be_told(smears: Path, fabricate: Fabricate) -> None:
    """One cell of two epochs; folds of which one is missing; nothing done of one grid."""
    source = str(smears)
    tiny = Grid("tiny", ("yolov8n",), (source,))
    folds = Grid("folds", ("yolov8n",), (source,), folds=2)
    nothing = Grid("nothing", ("yolov5n",), (source,), (QUARTER, ALL))
    study = Study("s", "a", (tiny, folds, nothing), latency_ms=5)
    cells = [*tiny.cells(), *folds.cells()[:1]]
    page = Made(study, fabricate(cells, epochs=2, resamples=20), {}, {}).page()
    kinds: set[type[Section]] = {type(section) for section in page.sections}
    assert kinds == {Text, Facts, Table, Plot, Pictures}
    assert "there is no 1" in find(page, "folds · accuracy").note
    assert find(page, "Overfitting").paragraphs[0].endswith("too few to tell.")
    assert find(page, "Winners").code is None
    assert column(find(page, "nothing · accuracy"), "AP50") == [None, None]
