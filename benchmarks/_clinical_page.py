"""The sections of a report for a hospital; each says how it is read, and of how many it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from _clinical import METHODS, Bundles, Point, Tested

if TYPE_CHECKING:
    from kit.evaluate.versus import Change
    from kit.report.page import Cell, Plot, Section, Table, Text


def plain_words(bundles: Bundles, tested: Tested, watch: Mapping[str, Any], data: str) -> Text:
    """The findings in sentences, for those who read no tables."""
    from kit.report.page import Text

    report = tested.measured.report
    found = report.detail
    assert found is not None  # measured with it
    weakest = min(
        (name for name, each in found.per_class.items() if each["sensitivity"].value is not None),
        key=lambda name: found.per_class[name]["sensitivity"].value or 0.0,
    )
    least = found.per_class[weakest]["sensitivity"]
    return Text(
        "In plain words",
        [
            f"This detector was trained to find {', '.join(report.per_class)}. It was tested once, "
            f"on {report.images} pictures with {report.objects} labelled objects that had no part "
            "in training it, nor in choosing anything about it.",
            f"It finds {_percent(found.figures['sensitivity'])} of the objects. Of the boxes it "
            f"shows, {_percent(found.figures['precision'])} are right. The score from which a box "
            f"is shown was chosen on {len(tested.valid)} other pictures by the rule "
            f"{bundles.ready.card.rule}.",
            f"It is weakest for {weakest}: it finds {_percent(least)} of {least.n}.",
            _scores_in_words(tested),
            _watch_in_words(watch, data),
            "In brackets are 95 % intervals: how far a figure may lie from what very many such "
            "pictures would give. Pictures of another hospital, microscope or stain are another "
            "kind: nothing here tells how it does on those.",
            *_patients_in_words(tested),
        ],
    )


def _patients_in_words(tested: Tested) -> list[str]:
    if tested.pictures.groups is not None:
        return []
    return [
        "The dataset does not say which patient a picture is of. Several may be of one, and then "
        "these intervals are too narrow."
    ]


def _percent(estimate: Any) -> str:
    if estimate.value is None:
        return f"an unknown share ({estimate.why})"
    interval = estimate.bca or estimate.percentile
    told = f" ({100 * interval[0]:.0f} to {100 * interval[1]:.0f} %)" if interval else ""
    return f"{100 * estimate.value:.0f} %{told}"


def _scores_in_words(tested: Tested) -> str:
    before, after = (tested.reliability[name] for name in ("raw scores", METHODS[0]))
    if before is None or after is None:
        return "Whether its scores can be read as chances can't be told: nothing was detected."
    verb = "more" if after.error < before.error else "not more"
    return (
        f"Its raw scores are off from the chance of being right by {100 * before.error:.0f} points "
        f"on average; scaled ones (kit detect --calibrated) by {100 * after.error:.0f}, so they "
        f"are {verb} to be trusted."
    )


def _watch_in_words(watch: Mapping[str, Any], data: str) -> str:
    flagged = _flagged(watch)
    own = flagged.pop(data)
    missed = [f"{name} ({100 * share:.0f} %)" for name, share in flagged.items() if share < 0.5]
    caught = [name for name, share in flagged.items() if share >= 0.5]
    told = (
        f"It says by itself when a picture is unlike those it was trained on: it flags "
        f"{100 * own:.0f} % of the test pictures, and most of {'; '.join(caught)}."
    )
    return told + (f" It does not notice most of {'; '.join(missed)}." if missed else "")


def _flagged(watch: Mapping[str, Any]) -> dict[str, float]:
    """Share flagged by the distance that ``kit calibrate --watch`` takes by default."""
    edge = watch["thresholds"]["mahalanobis"]
    return {
        name: sum(value > edge for value in group["distances"]["mahalanobis"])
        / len(group["distances"]["mahalanobis"])
        for name, group in watch["groups"].items()
    }


def by_centre(tested: Tested) -> list[Section]:
    """FROC where a detection is right whose centre lies in the object."""
    from kit.report.evaluation import RIGHT, froc_plot
    from kit.report.page import Plot, Table
    from kit.report.scores import rate_header, rate_rows

    caption = (
        f"The same with a laxer rule, for who only needs to be shown where to look: a detection is "
        f"right where {RIGHT['centre']}. {len(tested.pictures)} pictures."
    )
    return [
        Plot("FROC, by place", froc_plot(tested.centre), caption),
        Table(
            "Sensitivity at false positives per picture, by place",
            rate_header(),
            rate_rows(tested.centre),
        ),
    ]


def points(tested: Tested) -> Table:
    """What each rule promised on valid pictures, and what came on those of test."""
    from kit.report.page import Table
    from kit.report.scores import spoken_thresholds

    rows: list[list[Cell]] = []
    for each in tested.points:
        name = f"{each.rule}, each class" if each.per_class else each.rule
        if each.choice is None or each.test is None:
            rows.append([name, f"can't be met: {each.refused}", *[None] * 6])
            continue
        choice = each.choice
        shown = {at: choice.own.get(at, choice.together.threshold) for at in choice.classes}
        told = [_pair(each, figure) for figure in ("sensitivity", "precision", "fppi")]
        rows.append([name, spoken_thresholds(shown), *(cell for pair in told for cell in pair)])
    return Table(
        "Operating points: promised and kept",
        (
            "rule", "boxes scored", "sensitivity expected", "on test", "precision expected",
            "on test", "false a picture expected", "on test",
        ),
        rows,
        f"Chosen on {len(tested.valid)} valid pictures, where 95 % of other sets of as many "
        f"pictures are expected to fall; then counted on {len(tested.pictures)} test pictures with "
        f"{tested.measured.report.objects} objects, with the 95 % bootstrap interval over "
        f"pictures. An asterisk: on test it lies outside of what was expected. {_kept(tested)}",
    )  # fmt: skip


def _pair(each: Point, figure: str) -> tuple[Cell, Cell]:
    assert each.choice is not None
    expected = each.choice.together.expected[figure]
    there = getattr(each.test, figure)
    told = "-" if there.value is None else f"{there.value:.3f}"
    if there.interval is not None:
        told += " ({:.3f} to {:.3f})".format(*there.interval)
    if expected is None:
        return None, told
    inside = there.value is not None and expected[0] <= there.value <= expected[1]
    return "{:.3f} to {:.3f}".format(*expected), told if inside else f"{told} *"


def _kept(tested: Tested) -> str:
    cells = [
        _pair(each, figure)
        for each in tested.points
        if each.choice is not None
        for figure in ("sensitivity", "precision", "fppi")
    ]
    known = [there for expected, there in cells if expected is not None]
    held = sum(not str(there).endswith("*") for there in known)
    return f"{held} of {len(known)} fell where they were expected; they are not independent."


def reliability(tested: Tested) -> list[Section]:
    """Whether scores are chances, before and after each scaling, on test."""
    from kit.report.page import Plot, Table, Text
    from kit.report.reliability import reliability_plot

    known = [(name, each) for name, each in tested.reliability.items() if each is not None]
    if not known:
        return [Text("Scores as chances", ["Not measurable: nothing is detected."])]
    rows: list[list[Cell]] = [
        [name, each.detections, each.right, len(each.bins), each.error] for name, each in known
    ]
    temperature = tested.scalings["temperature"].temperature
    note = (
        f"Fitted on valid pictures (temperature {temperature:.2f}), measured on test. D-ECE is the "
        "mean distance of the score and the share that is right, over bins of equal width, "
        f"weighed by detections; those scored {known[0][1].lowest:g} or more count."
    )
    caption = (
        "Points on the dotted line are scores that can be read as chances; below it they promise "
        f"too much, above it too little. Below: how many detections a point stands for, of "
        f"{known[0][1].detections}."
    )
    return [
        Table("Scores as chances", ("scores", "detections", "right", "bins", "D-ECE"), rows, note),
        Plot("Reliability on test", reliability_plot(known), caption),
    ]


def comparisons(tested: Tested) -> Table:
    """Each of the others against this detector, on the same pictures."""
    from kit.report.page import Table

    rows: list[list[Cell]] = [
        [name if place == 0 else "", change.figure, *_change(change)]
        for name, found in tested.versus.items()
        for place, change in enumerate(found.changes)
    ]
    header = ("detector", "figure", "this one", "the other", "difference", "p", "p by sign flips",
              "the other is")  # fmt: skip
    note = (
        "Paired: both looked at the same pictures, and the 95 % interval is that of the difference "
        f"over {len(tested.pictures)} pictures drawn anew. Sensitivity and precision are at "
        "thresholds chosen for each by the same rule. No difference shown is not the same as none."
    )
    return Table("Beside other detectors", header, rows, note)


def _change(change: Change) -> list[Cell]:
    if change.difference is None or change.interval is None:
        return [change.first, change.second, None, None, None, change.verdict]
    low, high = change.interval
    told = f"{change.difference:+.3f} ({low:+.3f} to {high:+.3f})"
    return [change.first, change.second, told, change.p, change.p_flipped, change.verdict]


def widths_plot(halves: Mapping[int, Mapping[str, Sequence[float]]]) -> Plot:
    """Half of an interval of AP50 by the number of test pictures."""
    from matplotlib.figure import Figure

    from kit.report.page import Plot
    from kit.report.plots import COLOURS, svg

    def draw() -> Figure:
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.subplots()
        sizes = list(halves)
        names = {"own": "one detector", "paired": "two detectors, same pictures"}
        for (kind, name), colour in zip(names.items(), COLOURS, strict=False):
            low, high = zip(*(halves[size][kind] for size in sizes), strict=True)
            axes.fill_between(sizes, low, high, color=colour, alpha=0.25, lw=0)
            axes.plot(sizes, high, color=colour, marker="o", ms=4, label=name)
            axes.plot(sizes, low, color=colour, marker="o", ms=4)
        axes.set(xlabel="test pictures", ylabel="± AP50", xticks=sizes)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right")
        return figure

    caption = (
        "Half of a 95 % interval of AP50, median over sets drawn from the test pictures, from the "
        "narrowest to the widest of the detectors: a difference smaller than that is no finding."
    )
    return Plot("How much a small test set can tell", svg(draw), caption)
