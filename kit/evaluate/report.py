"""Score an opened detector on a split, and keep with the figures what they were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kit.binding import bind, plain
from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.data.doctor import usable
from kit.data.findings import require_read
from kit.errors import DataError
from kit.evaluate.centre import match_centres
from kit.evaluate.coco import Scores, run, summarize
from kit.evaluate.detail import Detail, detail
from kit.evaluate.froc import MatchBy, froc
from kit.evaluate.intervals import RESAMPLES, Resampled, resample, units_of
from kit.evaluate.matches import match
from kit.evaluate.subgroups import subgroups
from kit.files import read_json, write_json
from kit.pixels import read_picture
from kit.progress import SILENT, Progress
from kit.runtime.detector import EVALUATION_FLOOR
from kit.types import Detections, Detector, Tiling


@dataclass(frozen=True)
class EvalReport(Scores):
    """COCO figures of one bundle on one split.

    Attributes:
        interval: 95 % percentile bootstrap intervals over patients where the dataset names them,
            else pictures, ``{"ap": (low, high), "ap50": ...}``; empty where there is no object to
            find, or but one patient or picture.
        backend, provider, device: what ran it, as the engine itself reports.
        precision: of the bundle.
        bundle: its name. bundle_sha256, manifest_sha256: what exactly was measured on what.
        dataset, split: by name.
        floor: lowest score that was asked for.
        tiling: how pictures were cut; None where each was looked at as a whole.
        detail: every figure with its intervals, FROC, and what a comparison needs; None where only
            the scores were asked for.
    """

    interval: Mapping[str, tuple[float, float]]
    backend: str
    provider: str
    device: str
    precision: str
    bundle: str
    bundle_sha256: str
    manifest_sha256: str
    dataset: str
    split: str
    floor: float = EVALUATION_FLOOR
    tiling: Tiling | None = None
    detail: Detail | None = None

    def save(self, path: Path) -> None:
        write_json(path, plain(self))

    @classmethod
    def load(cls, path: Path) -> EvalReport:
        """Read a report back.

        Raises:
            DataError: missing, or not such a report.
        """
        fix = "make one with `kit evaluate`"
        data = read_json(path, "an evaluation report", error=DataError, fix=fix)
        return bind(cls, data, where=path, error=DataError)


@dataclass(frozen=True, eq=False)
class Measurement:
    """A report with what it was made from.

    Attributes:
        ids: pictures of the split, in order.
        found: detections on each, at the report's floor.
        resampled: scores on pictures drawn anew.
    """

    report: EvalReport
    ids: Sequence[str]
    found: Sequence[Detections]
    resampled: Resampled


def evaluate(
    detector: Detector,
    bundle: Bundle,
    dataset: Dataset,
    split: str,
    *,
    progress: Progress = SILENT,
    floor: float = EVALUATION_FLOOR,
    match_by: MatchBy | None = None,
) -> EvalReport:
    """The report of :func:`measure`."""
    measured = measure(
        detector, bundle, dataset, split, progress=progress, floor=floor, match_by=match_by
    )
    return measured.report


def measure(
    detector: Detector,
    bundle: Bundle,
    dataset: Dataset,
    split: str,
    *,
    progress: Progress = SILENT,
    floor: float = EVALUATION_FLOOR,
    match_by: MatchBy | None = None,
    resamples: int = RESAMPLES,
) -> Measurement:
    """Detect on every picture of a split and score the result.

    Args:
        detector: the bundle, opened.
        dataset: the whole of it; boxes without an area (see ``kit data check``) are left out.
        split: which pictures.
        floor: lowest score asked for; a higher one is quicker and cuts the curve's tail off.
        match_by: work out the report's detail too, with FROC matched by this rule; None leaves it.
        resamples: draws of the bootstrap.

    Raises:
        DataError: no such split, no picture in it, classes that are not the bundle's, or pictures
            or labels that can't be read: without them it would be a score on another set.
    """
    require_read(dataset, before="scoring")
    dataset = usable(dataset)
    require_classes(detector.classes, dataset)
    manifest = dataset.manifest(dataset.split(split), rule=f"the {split} split")
    chosen = dataset.take(manifest)
    if not len(chosen):
        raise DataError(f"there is no picture in {split}", where=dataset.source or dataset.root)
    found: list[Detections] = []
    for example in progress.track(chosen, f"evaluating on {split}", len(chosen)):
        picture = read_picture(example.path, bit_depth=dataset.bit_depth)
        found.append(detector.detect([picture], floor=floor)[0].detections)
    evaluator = run(chosen, found)
    scores, matches = summarize(evaluator, chosen), match(evaluator, chosen)
    units, more = units_of(chosen.groups), None
    if match_by is None:
        resampled = resample(matches, scores, units=units, resamples=resamples)
    else:
        marks = matches if match_by == "iou" else match_centres(chosen, found)
        more, resampled = detail(
            matches,
            scores,
            froc(marks, match_by, units=units, resamples=resamples),
            operating_point=bundle.card.operating_point,
            class_thresholds=bundle.card.class_thresholds,
            units=units,
            resamples=resamples,
        )
        more = replace(more, subgroups=subgroups(chosen, found, bundle.card.thresholds))
    several = len(chosen if units is None else np.unique(units)) > 1
    report = EvalReport(
        **vars(scores),
        interval=resampled.interval() if several else {},
        backend=detector.backend,
        provider=detector.runner.provider,
        device=detector.runner.device,
        precision=bundle.card.precision,
        bundle=bundle.card.name,
        bundle_sha256=bundle.sha256,
        manifest_sha256=manifest.sha256,
        dataset=dataset.name,
        split=split,
        floor=floor,
        tiling=detector.tiling,
        detail=more,
    )
    return Measurement(report, chosen.ids, found, resampled)


def require_classes(classes: Sequence[str], dataset: Dataset) -> None:
    """A detector can be scored only on a dataset of its own classes, in their order.

    Raises:
        DataError: they differ.
    """
    if dataset.classes != tuple(classes):
        raise DataError(
            f"has the classes {', '.join(dataset.classes)}; "
            f"the bundle detects {', '.join(classes)}",
            where=dataset.source or dataset.root,
            fix="rename and order them with `kit data convert SRC --classes MAP.yaml`",
        )
