"""The study's table, cell by cell, and where its bounds lie."""

from __future__ import annotations

import pytest

from kit.advise.bands import Bands, fall

TABLE = """
low    freeze   | try both | tune
medium try both | tune     | tune
high   try both | tune     | tune
"""


@pytest.mark.parametrize("row", TABLE.split("\n")[1:-1])
def test_the_table_is_the_studys(row: str) -> None:
    distance, _, rest = row.partition(" ")
    cosine = {"low": 0.1, "medium": 0.3, "high": 0.7}[distance]
    for pictures, data, says in zip(
        (10, 50, 500), ("low", "medium", "high"), rest.split("|"), strict=True
    ):
        assert fall(cosine, pictures) == Bands(distance, data, says.strip())


@pytest.mark.parametrize(
    ("cosine", "pictures", "bands"),
    [
        (0.0, 0, ("low", "low")),
        (0.199, 20, ("low", "low")),
        (0.2, 21, ("medium", "medium")),
        (0.399, 99, ("medium", "medium")),
        (0.4, 100, ("high", "high")),
        (1.4, 10_000, ("high", "high")),
    ],
)
def test_where_the_bounds_lie(cosine: float, pictures: int, bands: tuple[str, str]) -> None:
    found = fall(cosine, pictures)
    assert (found.distance, found.data) == bands
