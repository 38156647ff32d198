"""What metadata says in its many ways, as SPDX; what nobody can tell stays not known."""

from __future__ import annotations

from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.binding import bind, plain
from kit.errors import CardError
from kit.supply.component import normal
from kit.supply.spdx import Table, identifiers, licence_of, spdx, table

pytest.importorskip("license_expression")

OSI = "License :: OSI Approved :: "


@pytest.mark.parametrize(
    ("says", "means"),
    [
        ({"expression": "MIT"}, "MIT"),
        ({"expression": "mit and apache-2.0"}, "MIT AND Apache-2.0"),
        ({"expression": "LicenseRef-Own"}, "LicenseRef-Own"),
        ({"expression": "No such licence"}, ""),
        ({"expression": "MIT AND", "field": "MIT"}, ""),  # an expression that is none hides nothing
        ({"field": "MIT"}, "MIT"),
        ({"field": "Apache 2.0"}, "Apache-2.0"),
        ({"field": "BSD"}, ""),  # two clauses or three?
        ({"field": "UNKNOWN", "classifiers": [OSI + "ISC License (ISCL)"]}, "ISC"),
        ({"field": "A whole text\nover lines", "classifiers": [OSI + "MIT License"]}, "MIT"),
        ({"classifiers": [OSI + "BSD License"]}, ""),
        ({"field": "BSD 2-Clause License", "classifiers": [OSI + "BSD License"]}, "BSD-2-Clause"),
        ({"field": "MIT", "classifiers": [OSI + "BSD License"]}, ""),  # they can't both be right
        ({"field": "MIT", "classifiers": ["License :: OSI Approved"]}, "MIT"),
        ({"field": "MIT", "classifiers": ["License :: Other/Proprietary License"]}, ""),
        ({"classifiers": ["License :: Free To Use But Restricted"]}, ""),
        # where two are named both hold, so that the stricter is never lost
        (
            {"field": "MIT", "classifiers": [OSI + "GNU General Public License v3 (GPLv3)"]},
            "MIT AND GPL-3.0-only",
        ),
        (
            {"classifiers": [OSI + "MIT License", OSI + "Mozilla Public License 2.0 (MPL 2.0)"]},
            "MIT AND MPL-2.0",
        ),
        ({}, ""),
    ],
)  # fmt: skip
def test_what_is_said_and_what_it_means(says: dict[str, object], means: str) -> None:
    assert licence_of("nobodys-package", **says).expression == means  # type: ignore[arg-type]


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_nothing(text: str) -> None:
    """No metadata makes it fail, and what it takes is spelt as SPDX spells it."""
    taken = spdx(text)
    assert spdx(taken) == taken
    assert bool(taken) == bool(identifiers(text))


def test_a_review_counts_for_what_was_reviewed_only() -> None:
    [numpy] = [each for each in table().reviewed if each.name == "numpy"]
    told = licence_of("numpy", expression=numpy.said)
    assert (told.known_by, told.expression) == ("review", spdx(numpy.licence))
    assert licence_of("numpy", expression="MIT").known_by == "License-Expression"
    assert licence_of("another", expression=numpy.said).known_by == "License-Expression"


def test_every_review_is_still_of_what_is_installed() -> None:
    """One that is out of date would mean nothing, and look as if it did."""
    said = {normal(each.name): each for each in metadata.distributions()}
    here = [each for each in table().reviewed if each.name in said]
    assert len(here) > 5
    for review in here:
        of = said[review.name].metadata
        licence = licence_of(
            review.name,
            expression=of.get("License-Expression") or "",
            field=of.get("License") or "",
            classifiers=[
                text for text in of.get_all("Classifier") or [] if text.startswith("License")
            ],
        )
        assert licence.known_by == "review", f"look at {review.name} again: it says {licence.said}"


def test_the_table_takes_only_expressions() -> None:
    good = plain(table())
    with pytest.raises(CardError, match="not an SPDX expression: Freeware"):
        bind(Table, {**good, "fields": {"free": "Freeware"}}, where="licences.yaml")
    twice = [good["reviewed"][0], good["reviewed"][0]]
    with pytest.raises(CardError, match="reviewed twice"):
        bind(Table, {**good, "reviewed": twice}, where="licences.yaml")
