"""The rows of a grid's table: each setting beside what others published, and beside the best one
on the same test pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from kit.evaluate.paired import Difference, Repeated, compare, holm
from kit.study.cell import Setting
from kit.study.reading import Reading
from kit.study.study import Grid, Published

Verdict = Literal["beaten", "mean above", "below"]

ALPHA = 0.05
"""Differences whose adjusted p-value is above are called ties."""


@dataclass(frozen=True)
class Standing:
    """Where a setting stands among those of its family.

    Attributes:
        difference: to the best of them, negative where it is worse; None for the best itself.
        p: of the difference, after Holm's correction over the family.
        family: how many comparisons were made together.
        draws: of pictures, behind the p-value.
    """

    difference: Difference | None = None
    p: float | None = None
    family: int = 0
    draws: int = 0

    @property
    def too_many(self) -> bool:
        """Whether not even the smallest p-value would be significant."""
        return self.family * 2 / (self.draws + 1) > ALPHA

    @property
    def tie(self) -> bool:
        """Whether it can't be told from the best."""
        return self.p is not None and self.p > ALPHA

    def __str__(self) -> str:
        if self.difference is None:
            return "best"
        return f"tie ({self.difference.mean:+.3f})" if self.tie else f"{self.difference.mean:+.3f}"


@dataclass(frozen=True)
class Row:
    """A setting as it is shown.

    Attributes:
        words: the parts that tell it from the other rows.
        published: what to set beside it.
    """

    reading: Reading
    words: Mapping[str, str]
    published: Published | None = None
    standing: Standing | None = None

    @property
    def setting(self) -> Setting:
        return self.reading.setting

    @property
    def label(self) -> str:
        return ", ".join(self.words.values()) or str(self.setting)

    @property
    def verdict(self) -> Verdict | None:
        """``beaten`` only where the lower end of the 95 % interval is above the published figure;
        None where there is nothing to compare."""
        ours = self.reading.ap50
        if ours is None or self.published is None:
            return None
        if ours.interval[0] > self.published.ap50:
            return "beaten"
        return "mean above" if ours.mean > self.published.ap50 else "below"


def rows_of(grid: Grid, readings: Sequence[Reading]) -> list[Row]:
    """A row a setting, in the grid's order. Where several published figures are of one setting the
    highest stands beside it."""
    same = shared([reading.setting for reading in readings])
    if len(same) == len(readings[0].setting.parts()):  # one row: something must name it
        same = {k: v for k, v in same.items() if k not in ("model", "dataset", "sample")}
    standing = standings(readings)
    rows = []
    for reading in readings:
        words = {k: v for k, v in reading.setting.parts().items() if k not in same}
        found = [each for each in grid.published if each.is_of(reading.setting)]
        published = max(found, key=lambda each: each.ap50, default=None)
        rows.append(Row(reading, words, published, standing.get(reading.setting)))
    return rows


def spoken(parts: Mapping[str, str]) -> dict[str, str]:
    """Parts without those that were left to recipe and card, or that there are none of."""
    unset = Setting("-", "-").parts()
    quiet = ("plan", "size", "epochs", "folds")
    return {k: v for k, v in parts.items() if k not in quiet or v != unset[k]}


def shared(settings: Sequence[Setting]) -> dict[str, str]:
    """Parts that are the same in all settings."""
    parts = [setting.parts() for setting in settings]
    return {k: v for k, v in parts[0].items() if all(each[k] == v for each in parts)}


def standings(readings: Sequence[Reading]) -> dict[Setting, Standing]:
    """Compare AP50 on test with the best mean among the settings measured on the same pictures.

    A family is those settings; Holm's correction is over its comparisons. Since the best is chosen
    after looking, the tests are a little too ready to see differences. A setting that is alone on
    its pictures, or has no seed in common with the best, has no standing.
    """
    families: dict[str, list[tuple[Setting, Repeated]]] = {}
    for reading in readings:
        if (runs := reading.ap50) is not None:
            families.setdefault(runs.manifest_sha256, []).append((reading.setting, runs))
    found: dict[Setting, Standing] = {}
    for family in families.values():
        best, top = max(family, key=lambda member: member[1].mean)
        draws = len(next(iter(top.drawn.values())))
        differences = {
            setting: compare(runs, top)
            for setting, runs in family
            if setting != best and set(runs.scores) & set(top.scores)
        }
        if differences:
            found[best] = Standing(family=len(differences), draws=draws)
        adjusted = holm([difference.p for difference in differences.values()])
        for (setting, difference), p in zip(differences.items(), adjusted, strict=True):
            found[setting] = Standing(difference, p, len(differences), draws)
    return found
