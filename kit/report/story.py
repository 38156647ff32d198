"""One run from pictures to latency, told on one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.bench.report import LatencyReport
from kit.binding import plain
from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.evaluate.report import EvalReport
from kit.pixels import read_picture
from kit.report.draw import draw
from kit.report.page import Cell, Facts, Figure, Page, Pictures, Plot, Section, Table, Text
from kit.report.plots import class_bars, latency_bars, learning_curve
from kit.report.scores import spoken_thresholds
from kit.types import Detector

SHOWN = 6
"""Test pictures on the page."""


@dataclass(frozen=True, eq=False)
class Story:
    """What a run left behind.

    Attributes:
        dataset: usable boxes only.
        sample: the training pictures.
        history: rows of the learning curve.
        start: where the weights came from, in words.
        bundle: the exported graph. detector: the same, opened.
        trained, exported: reports of checkpoint and graph on test.
        latency: of the graph.
        commands: that do the same step by step.
    """

    dataset: Dataset
    sample: Manifest
    history: Sequence[Mapping[str, Any]]
    start: str
    bundle: Bundle
    detector: Detector
    trained: EvalReport
    exported: EvalReport
    latency: Sequence[LatencyReport]
    commands: str


def tell(story: Story) -> Page:
    """The page."""
    best, card = story.exported, story.bundle.card
    low, high = best.interval.get("ap50", (None, None))
    pool = story.dataset.class_counts(story.dataset.split("train"))
    facts: list[Section] = [
        Facts(
            "At a glance",
            [
                ("Test AP50", best.ap50),
                ("95 % interval", None if low is None else f"{low:.3f} to {high:.3f}"),
                ("Test AP", best.ap),
                ("Test pictures", best.images),
                ("Test objects", best.objects),
                ("Median per picture (ms)", _median(story.latency[0])),
                ("Trained on (pictures)", len(story.sample.ids)),
                ("Start", story.start),
            ],
        ),
        _pictures(story),
        _accuracy([("checkpoint", story.trained), ("exported graph", story.exported)]),
        Plot("Learning curve", learning_curve(story.history), "Loss and AP by epoch."),
        Plot(
            "Training objects by class",
            class_bars(pool, story.sample.class_counts),
            f"All training pictures, and the sample: {story.sample.rule}.",
        ),
        *_latency(story.latency),
        Facts(
            "What exactly",
            [
                ("Bundle", story.bundle.sha256),
                ("Trained on", card.manifests["train"]),
                ("Chosen on", card.manifests["valid"]),
                ("Tested on", best.manifest_sha256),
                ("Licence", card.licence),
                ("Made by", card.made_by),
            ],
        ),
        Text("The same, step by step", code=story.commands),
        Text("Use", ["For research only: this detector is not a medical device."]),
    ]
    title = f"{card.model} on {story.dataset.name}"
    return Page(title, f"{', '.join(card.classes)} at {card.input.size} px", facts)


def _accuracy(reports: Sequence[tuple[str, EvalReport]]) -> Table:
    rows: list[list[Cell]] = []
    for label, report in reports:
        rows.append([label, "all", report.objects, report.ap50, report.ap])
        rows += [[label, k, s.objects, s.ap50, s.ap] for k, s in report.per_class.items()]
    images = reports[0][1].images
    return Table(
        "Accuracy on test",
        ("", "class", "objects", "AP50", "AP"),
        rows,
        f"COCO evaluation over {images} pictures that training never saw.",
    )


def _median(report: LatencyReport) -> float | None:
    total = report.stages["total"]
    return None if total is None else total.p50


def _latency(reports: Sequence[LatencyReport]) -> list[Section]:
    rows: list[list[Cell]] = [
        [report.backend, stage, spread.mean, spread.p50, spread.p90, spread.max]
        for report in reports
        for stage, spread in report.stages.items()
        if spread is not None
    ]
    first = reports[0]
    note = (
        f"Milliseconds a picture, from the file on disk to boxes, on {first.device} "
        f"({first.provider}), {first.samples} samples after {first.warmup} warm-up runs."
    )
    data = [plain(report) for report in reports]
    return [
        Table("Latency", ("backend", "stage", "mean", "median", "p90", "max"), rows, note),
        Plot("Where the time goes", latency_bars(data), "Median of each stage."),
    ]


def _pictures(story: Story) -> Pictures:
    dataset = story.dataset
    figures = []
    for index in dataset.split("test")[:SHOWN]:
        example = dataset[int(index)]
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        found = story.detector(picture)
        caption = f"{len(found)} found, {len(example.truth)} labelled"
        figures.append(Figure(draw(picture, found, dataset.classes), caption))
    card = story.bundle.card
    points = spoken_thresholds(dict(zip(card.classes, card.thresholds, strict=True)))
    return Pictures("Test pictures", figures, f"Boxes scored {points}.")
