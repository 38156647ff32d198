"""Wilson's interval against a published table and scipy, and what counts as a share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from kit.evaluate.operating import Counts
from kit.evaluate.proportions import shares, wilson


def test_worked_examples() -> None:
    """Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3:
    81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for count, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(count, n) == pytest.approx((low, high), abs=5e-5)


@given(n=st.integers(1, 3000), share=st.floats(0, 1), level=st.sampled_from([0.8, 0.95, 0.99]))
def test_is_scipys_and_inside(n: int, share: float, level: float) -> None:
    count = round(share * n)
    found = wilson(count, n, level)
    assert found is not None
    theirs = binomtest(count, n).proportion_ci(level, method="wilson")
    assert found == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert 0 <= found[0] <= count / n <= found[1] <= 1


def test_of_nothing_and_of_nonsense() -> None:
    assert wilson(0, 0) is None
    for count, n in ((3, 2), (-1, 2)):
        with pytest.raises(ValueError, match="not a share"):
            wilson(count, n)


def test_pictures_count_once_and_patients_too() -> None:
    """Pictures: all found, one missed, nothing to find, all found; the second and last with false
    positives. The first two are of one patient."""
    counts = Counts(*map(np.array, ([2, 1, 0, 3], [0, 1, 0, 4], [2, 2, 0, 3])))
    by_picture = shares(counts)
    assert (by_picture["every_object_found"].count, by_picture["every_object_found"].n) == (2, 3)
    assert by_picture["no_false_positive"].value == 0.5
    by_patient = shares(counts, np.array([0, 0, 1, 2]))
    assert (by_patient["every_object_found"].count, by_patient["every_object_found"].n) == (1, 2)
    assert (by_patient["no_false_positive"].count, by_patient["no_false_positive"].n) == (1, 3)
