"""How wide 95 % intervals are on small test sets, drawn without replacement from a larger one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, TypeAlias

from _published import PICTURES, differences

if TYPE_CHECKING:
    from kit.evaluate.intervals import Resampled
    from kit.report.page import Table

FIGURES = ("ap", "ap50", "sensitivity")
COMPARED = ("ap", "ap50")


@dataclass(frozen=True, eq=False)
class Side:
    """One detector's answers on the larger set.

    Attributes:
        found: detections by picture. point, own: thresholds of its card.
    """

    name: str
    found: Sequence[Any]
    point: float
    own: Mapping[str, float] = field(default_factory=dict)


def draw(
    dataset: Any, sides: Sequence[Side], sizes: Sequence[int], *, sets: int, resamples: int
) -> dict[str, Any]:
    """Intervals of the first detector on sets of each size, and of its difference to the others.

    Returns:
        ``whole``: the first one's figures on all pictures; ``sets``: by size, a list of what
        :func:`_on` returns.
    """
    import numpy as np

    whole, _ = _figures(dataset, sides[0], range(len(dataset)), 2)
    drawn: dict[str, list[dict[str, Any]]] = {}
    for size in sizes:
        rng = np.random.default_rng(size)
        picked = [np.sort(rng.choice(len(dataset), size, replace=False)) for _ in range(sets)]
        drawn[str(size)] = [_on(dataset, sides, each, resamples) for each in picked]
    return {"whole": whole, "sets": drawn}


def _on(dataset: Any, sides: Sequence[Side], picked: Any, resamples: int) -> dict[str, Any]:
    """Figures of the first detector on these pictures, with ``against``: by name of the others the
    width of their AP and AP50, and of the paired difference."""
    figures, rows = _figures(dataset, sides[0], picked, resamples)
    against = {}
    for side in sides[1:]:
        others, other_rows = _figures(dataset, side, picked, resamples)
        against[side.name] = {
            name: {
                "own": _span(others[name]["percentile"]),
                "paired": _paired(getattr(rows, name), getattr(other_rows, name)),
            }
            for name in COMPARED
        }
    return {**figures, "against": against}


def _figures(
    dataset: Any, side: Side, picked: Any, resamples: int
) -> tuple[dict[str, Any], Resampled]:
    """Value, n and both intervals by figure, as `kit evaluate` works them out, and its draws."""
    from kit.binding import plain
    from kit.evaluate.coco import run, summarize
    from kit.evaluate.detail import detail
    from kit.evaluate.froc import froc
    from kit.evaluate.intervals import units_of
    from kit.evaluate.matches import match

    part = dataset.select(picked)
    evaluator = run(part, [side.found[place] for place in picked])
    matches = match(evaluator, part)
    more, rows = detail(
        matches,
        summarize(evaluator, part),
        froc(matches, resamples=2),
        operating_point=side.point,
        class_thresholds=side.own,
        units=units_of(part.groups),
        resamples=resamples,
    )
    return {name: plain(more.figures[name]) for name in FIGURES}, rows


def _paired(first: Any, second: Any) -> float | None:
    """Width of the percentile interval of the difference, draw by draw."""
    from kit.evaluate.intervals import percentile

    return _span(percentile(second - first)) if len(first) and len(second) else None


def _span(interval: Sequence[float] | None) -> float | None:
    return None if interval is None else interval[1] - interval[0]


def table(found: Mapping[str, Any]) -> Table:
    """Widths by size and figure, and how often the intervals hold the whole set's score."""
    from kit.report.page import Table

    rows = [
        _row(int(size), name, drawn, found["whole"][name]["value"])
        for size, drawn in found["sets"].items()
        for name in FIGURES
    ]
    header = ("pictures", "figure", "sets", "objects", "width", "narrowest tenth", "widest tenth",
              "held", "held by BCa")  # fmt: skip
    note = (
        "Width of the percentile interval, upper end less lower, median over the sets, as of the "
        "objects; half of it is what stands after a ±. Held is the share of sets whose interval "
        "holds the whole set's score. Sets are drawn without replacement, "
        "each with its own 95 % interval; for new pictures the share would be lower, since a small "
        "set is part of the larger one."
    )
    return Table("Width of 95 % intervals", header, rows, note)


def _row(size: int, name: str, drawn: Sequence[Mapping[str, Any]], whole: float) -> list[Any]:
    import numpy as np

    known = [each[name] for each in drawn if each[name]["percentile"] is not None]
    objects = float(np.median([each[name]["n"] for each in drawn]))
    if not known:
        return [size, name, 0, objects, *[None] * 5]
    widths = [high - low for low, high in (each["percentile"] for each in known)]
    low, middle, high = (float(x) for x in np.quantile(widths, [0.1, 0.5, 0.9]))
    held = [
        sum(each[kind][0] <= whole <= each[kind][1] for each in known if each[kind]) / len(known)
        for kind in ("percentile", "bca")
    ]
    return [size, name, len(known), objects, middle, low, high, *held]


Range: TypeAlias = tuple[float, float]
"""Half an interval: of the detectors, or pairs of them, with the narrowest and with the widest."""


def halves(found: Mapping[str, Any], figure: str = "ap50") -> dict[int, dict[str, Range]]:
    """By size, medians over the sets: ``own``, half a detector's interval; ``paired``, half the
    interval of a difference on the same pictures."""
    told = {}
    for size, drawn in found["sets"].items():
        names = drawn[0]["against"]
        own = [[_span(each[figure]["percentile"]) for each in drawn]]
        own += [[each["against"][name][figure]["own"] for each in drawn] for name in names]
        paired = [[each["against"][name][figure]["paired"] for each in drawn] for name in names]
        told[int(size)] = {"own": _half(own), "paired": _half(paired)}
    return told


def _half(columns: Sequence[Sequence[float | None]]) -> Range:
    known = [median(value for value in column if value is not None) / 2 for column in columns]
    return min(known), max(known)


def verdicts(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each difference of the study's tables held against the interval of such a difference."""
    half = halves(found)
    told = []
    for each in differences():
        first, second = (half[PICTURES[name]] for name in (each.first, each.second))
        unpaired = [(a**2 + b**2) ** 0.5 for a, b in zip(first["own"], second["own"], strict=True)]
        low, high = first["paired"] if each.paired else unpaired
        size = abs(each.points)
        told.append(
            {
                "table": each.table,
                "what": each.what,
                "pictures": sorted({PICTURES[each.first], PICTURES[each.second]}),
                "difference": each.points,
                "interval": "paired" if each.paired else "unpaired",
                "half": (low, high),
                "survives": "yes" if size > high else "no" if size <= low else "open",
            }
        )
    return told


def survivors(told: Sequence[Mapping[str, Any]]) -> str:
    """How many of which kind, in a sentence."""
    parts = []
    for kind, words in (("paired", "on one test set"), ("unpaired", "between two test sets")):
        mine = [each for each in told if each["interval"] == kind]
        kept = sum(each["survives"] == "yes" for each in mine)
        left = sum(each["survives"] == "open" for each in mine)
        parts.append(f"{kept} of {len(mine)} differences {words} ({left} open)")
    return f"Larger than their interval are {' and '.join(parts)}."


def verdict_table(told: Sequence[Mapping[str, Any]]) -> Table:
    """Every difference, and whether it survives."""
    from kit.report.page import Table

    def spoken(half: Range) -> str:
        return "± {:.1f} to {:.1f}".format(*(100 * each for each in half))

    rows = [
        [
            each["table"], each["what"], " and ".join(map(str, each["pictures"])),
            f"{100 * each['difference']:+.1f}", spoken(each["half"]), each["interval"],
            each["survives"],
        ]
        for each in told
    ]  # fmt: skip
    header = ("table", "what", "test pictures", "AP50, points", "95 % interval", "kind", "survives")
    note = (
        f"{survivors(told)} Both cells of one test set are of the same pictures, so the interval "
        "is that of a paired difference. The study kept no detections, so it is that of our own "
        "detectors on sets of as many pictures, median over the sets, from the pair with the "
        "narrowest to the pair with the widest; open is what lies between. Cells of two test sets "
        "share nothing: their interval is the root of the sum of both squares. Widths are of "
        "BCCD's pictures with some 13 objects each; those of masks and vehicles hold fewer, so "
        "their intervals are wider rather than narrower. None holds the chance of another training "
        "run: a cell is one run."
    )
    return Table("Differences of the study's tables", header, rows, note)
