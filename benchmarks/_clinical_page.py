"""The sections of a report for a hospital; each says how it is read, and of how many it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from _clinical import METHODS, Bundles, Point, Tested

if TYPE_CHECKING:
    from kit.evaluate.versus import Change
    from kit.report.page import Cell, Plot, Section, Table, Text


FIGURES = {"sensitivity": "sensitivity", "precision": "precision", "fppi": "false a picture"}


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
            f"It finds {_percent(found.figures['sensitivity'])} of the objects. It shows "
            f"{found.figures['precision'].n} boxes; {_percent(found.figures['precision'])} of them "
            "are right. The score from which a box is shown was chosen on "
            f"{len(tested.valid)} other pictures: {_rule_in_words(bundles)}.",
            "A box counts as wrong where nobody has labelled an object of its class. Some of these "
            "objects may be there all the same: the worst pictures below show both.",
            f"It is weakest for {weakest}: it finds {_percent(least)} of {least.n}.",
            _scores_in_words(tested),
            _watch_in_words(watch, data),
            "In brackets are 95 % intervals: how far a figure may lie from what very many such "
            "pictures would give. Pictures of another hospital, microscope or stain are another "
            "kind: nothing here tells how it does on those.",
            *_patients_in_words(tested),
        ],
    )


def _rule_in_words(bundles: Bundles) -> str:
    from kit.evaluate.rules import parse_rule

    rule = parse_rule(str(bundles.ready.card.rule).removesuffix(" per class"))
    if rule.kind == "sensitivity":
        return f"the highest one that finds at least {100 * (rule.value or 0):g} % of theirs"
    if rule.kind == "fppi":
        return f"the one that finds most with {rule.value:g} false boxes a picture or fewer"
    return "the one of the best F1, which weighs missed and false ones alike"


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
        f"Its raw scores are off from the share that is right by {100 * before.error:.1f} points "
        f"on average; scaled ones (kit detect --calibrated) by {100 * after.error:.1f}, so these "
        f"are {verb} to be trusted as chances."
    )


def _watch_in_words(watch: Mapping[str, Any], data: str) -> str:
    flagged = _flagged(watch)
    own = flagged.pop(data)
    caught = [name for name, share in flagged.items() if share >= 0.5]
    missed = [
        f"{name} ({100 * share:.0f} %; plain checks of light, sharpness and colour complain of "
        f"{100 * watch['groups'][name]['complained'] / len(_distances(watch, name)):.0f} %)"
        for name, share in flagged.items()
        if share < 0.5
    ]
    told = (
        "It says by itself when a picture is unlike those it was trained on. It flags "
        f"{100 * own:.0f} % of the test pictures, where 5 % are meant. Of pictures from elsewhere "
        f"and of spoilt copies it flags most of these: {'; '.join(caught) or 'none'}."
    )
    return told + (f" It flags fewer than half of these: {'; '.join(missed)}." if missed else "")


def _distances(watch: Mapping[str, Any], name: str) -> Sequence[float]:
    """By the method that ``kit calibrate --watch`` takes by default."""
    found: Sequence[float] = watch["groups"][name]["distances"]["mahalanobis"]
    return found


def _flagged(watch: Mapping[str, Any]) -> dict[str, float]:
    edge = watch["thresholds"]["mahalanobis"]
    distances = {name: _distances(watch, name) for name in watch["groups"]}
    return {
        name: sum(value > edge for value in values) / len(values)
        for name, values in distances.items()
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
            f"Read as the table before: the share of objects found, of {len(tested.pictures)} "
            "pictures, when so many false boxes a picture are put up with.",
        ),
    ]


def points(tested: Tested) -> Table:
    """What each rule promised on valid pictures, and what came on those of test."""
    from kit.report.page import Table

    rows = [row for each in tested.points for row in _promises(each)]
    known = [row for row in rows if row[3] is not None]
    held = sum(row[6] == "yes" for row in known)
    return Table(
        "Operating points: promised and kept",
        ("rule", "boxes scored", "figure", "expected", "on test", "95 %", "as expected"),
        rows,
        f"Chosen on {len(tested.valid)} valid pictures; expected is where 95 % of other sets of as "
        f"many pictures would fall. Then counted on {len(tested.pictures)} test pictures with "
        f"{tested.measured.report.objects} objects, with the 95 % bootstrap interval over "
        f"pictures. {held} of {len(known)} fell where they were expected; they are not independent "
        "of each other.",
    )


def _promises(each: Point) -> list[list[Cell]]:
    from kit.report.scores import spoken, spoken_thresholds

    name = f"{each.rule}, each class" if each.per_class else each.rule
    if each.choice is None or each.test is None:
        return [[name, f"can't be met: {each.refused}", *[None] * 5]]
    choice = each.choice
    shown = {at: choice.own.get(at, choice.together.threshold) for at in choice.classes}
    first: list[Cell] = [name, spoken_thresholds(shown)]
    rows: list[list[Cell]] = []
    for figure, words in FIGURES.items():
        expected = choice.together.expected[figure]
        there = getattr(each.test, figure)
        verdict = None
        if expected is not None and there.value is not None:
            verdict = "yes" if expected[0] <= there.value <= expected[1] else "no"
        rows.append(
            [
                *(first if not rows else ["", ""]),
                words,
                spoken(expected),
                there.value,
                spoken(there.interval),
                verdict,
            ]
        )
    return rows


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


def comparisons(bundles: Bundles, tested: Tested) -> Table:
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
        f"{_trained(bundles)}Paired: both looked at the same pictures, and the 95 % interval is "
        f"that of the difference over {len(tested.pictures)} pictures drawn anew. Sensitivity and "
        "precision are at thresholds chosen for each by the same rule: read them "
        "together. No difference shown is not the same as none."
    )
    return Table("Beside other detectors", header, rows, note)


def _trained(bundles: Bundles) -> str:
    """How the others came to be, as far as their cards say."""
    told = ["int8 is this one in fewer bits. "]
    for name, bundle in bundles.others.items():
        facts = bundle.card.training
        told.append(
            f"{name} was trained for {facts['epochs']} epochs on {facts['train_pictures']} "
            "pictures. "
        )
    return "".join(told)


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
