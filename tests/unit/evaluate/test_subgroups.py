"""Subgroups of a report count what its figures count, and name nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.binding import bind, plain
from kit.evaluate.coco import run
from kit.evaluate.detail import Detail, Estimate
from kit.evaluate.froc import Curve
from kit.evaluate.matches import match
from kit.evaluate.operating import count
from kit.evaluate.subgroups import Group, subgroups


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), own=st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_every_view_holds_what_is_found_at_each_classs_threshold(
    scene: Callable[..., Any], seed: int, own: list[float]
) -> None:
    dataset, found = scene(seed, pictures=6)
    dataset = replace(dataset, groups=tuple("aabbcc"))
    thresholds = dict(zip(dataset.classes, own, strict=True))
    known = count(match(run(dataset, found), dataset), 0.5, thresholds)
    told = subgroups(dataset, found, own)
    for rows in told.values():
        assert sum(each.objects for each in rows) == known.objects.sum()
        assert sum(each.found for each in rows) == known.hits.sum()
        assert sum(each.false for each in rows) == known.false.sum()
        for each in rows:
            assert (each.sensitivity is None) == (each.interval is None) == (each.objects == 0)


def test_groups_are_numbered_from_the_weakest_and_not_named(scene: Callable[..., Any]) -> None:
    dataset, found = scene(3, pictures=6)
    named = replace(dataset, groups=("Ann", "Ann", "Bob", "Bob", "Cy", "Cy"))
    told = subgroups(named, found, [0.3] * 3)
    assert [each.name for each in told["group"]] == ["group 1", "group 2", "group 3"]
    shares = [each.sensitivity for each in told["group"]]
    assert shares == sorted(shares, key=lambda share: 2.0 if share is None else share)
    assert not any(name in str(told) for name in ("Ann", "Bob", "Cy"))
    assert "group" not in subgroups(dataset, found, [0.3] * 3)


def test_a_group_is_json_and_back() -> None:
    group = Group("small", 3, 7, 6, 1, 6 / 7, (0.5, 0.97), None)
    assert bind(Group, plain(group), where="report") == group


def test_a_report_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Estimate(1.2, 3)
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Estimate(float("nan"), 3)
    with pytest.raises(ValueError, match="one for each rate"):
        Curve(1, 1, (0.5, 0.6), (), (), 0.5, None, 1.0)
    nothing: Any = None
    with pytest.raises(ValueError, match="precision is missing"):
        Detail("picture", 1, 1, 0.5, dict.fromkeys(("ap", "ap50", "sensitivity"), nothing),
               {}, {}, nothing, nothing)  # fmt: skip
