"""A study as it is written: its cells, their names, and every mistake with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.binding import bind, plain
from kit.cards import load_card
from kit.data.sampling import Draw
from kit.errors import CardError
from kit.study.cell import Cell, Setting
from kit.study.study import Study

TYPOS = """\
about: typos
latency: 3
grids:
  - title: a
    models: [yolov8n, yolov9]
    datasets: [bccd, nowhere]
    draws: [{fraction: 1.5}, {rule: fair, images: 3}, {images: 3, objects: 4}, {images: 0}]
    recipes: [defualt]
    plans: [head-only, F1-x]
  - title: b
    datasets: [bccd]
    models: [yolov8n]
    seeds: []
    folds: 1
"""


def test_all_mistakes_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "typos.yaml"
    path.write_text(TYPOS)
    with pytest.raises(CardError) as caught:
        load_card(Study, str(path))
    told = str(caught.value).splitlines()[1:]
    for line, part in (
        (2, "latency: unknown key"),
        (5, "'yolov9'"),
        (6, "'nowhere'"),
        (7, "fraction must be at most 1"),
        (7, "'balanced' or 'random', got 'fair'"),
        (7, "one budget, not images and objects"),
        (7, "images must be above 0"),
        (8, "'defualt'"),
        (9, "'F1-x' is no part of a plan"),
        (10, "seeds must not be empty"),
        (10, "folds must be at least 2"),
    ):
        assert any(f"line {line}:" in each and part in each for each in told), (line, part, told)
    assert len(told) == 11


def grid(**changes: object) -> Study:
    base = {"title": "a", "models": ["yolov8n"], "datasets": ["bccd"]}
    return bind(Study, {"name": "s", "about": "a", "grids": [{**base, **changes}]}, where="here")


def test_the_grid_is_every_combination_once() -> None:
    study = grid(
        models=["yolov8n", "yolov5n"],
        draws=[{"fraction": 0.5}, {}, {"fraction": 1.0, "rule": "random"}],
        seeds=[3, 4, 3],
        folds=2,
    )
    cells = study.cells()
    assert len(cells) == len(set(cells)) == 2 * 2 * 2 * 2, "all pictures are all, by any rule"
    assert [cell.seed for cell in cells] == [3] * 8 + [4] * 8, "some of everything comes first"
    assert {cell.fold for cell in cells} == {0, 1}


def test_a_cell_of_two_grids_is_one() -> None:
    one = grid().grids[0]
    assert len(Study("s", "a", (one, one)).cells()) == 1


draws = st.one_of(
    st.builds(Draw),
    *(
        st.builds(Draw, rule=st.sampled_from(["balanced", "random"]), **{budget: value})
        for budget, value in (
            ("fraction", st.sampled_from([0.1, 0.125, 0.25, 0.5, 0.999])),
            ("images", st.integers(1, 10**6)),
            ("objects", st.integers(1, 10**6)),
            ("per_class", st.integers(1, 50)),
        )
    ),
)
cells = st.builds(
    Cell,
    st.builds(
        Setting,
        model=st.sampled_from(["yolov8n", "yolov8s"]),
        dataset=st.sampled_from(["bccd", "a/b", "b/c"]),
        draw=draws,
        start=st.sampled_from(["coco", "random", "runs/a/best", "runs/b/best", "/runs/a/best"]),
        plan=st.sampled_from([None, "head-only", "F1-4 T5-9 R10", "F1-4 T5 R9-10"]),
        recipe=st.sampled_from(["default", "paper"]),
        size=st.sampled_from([None, 64, 416]),
        epochs=st.sampled_from([None, 3, 30]),
        folds=st.sampled_from([None, 5]),
    ),
    st.integers(0, 9),
    st.sampled_from([None, 0, 4]),
)


@given(cells)
def test_a_name_is_one_folder_and_a_cell_survives_json(cell: Cell) -> None:
    assert set(cell.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
    assert cell.name[0] not in ".-"
    assert len(cell.name) < 200
    assert bind(Cell, plain(cell), where="here") == cell


@given(cells, cells)
def test_two_cells_have_two_names(one: Cell, other: Cell) -> None:
    assert (one.name == other.name) == (one == other)
