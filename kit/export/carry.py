"""A watch and a scaling go on with what is made of a bundle, where they still hold.

They were fitted to the features and the scores of one graph. Those of the same graph in less
precision, or compiled, are nearly the same; whether near enough is seen on the gate's pictures, on
which both were run anyway. What doesn't hold is left out, with a note.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kit.bundle import Bundle, BundleCard, Scaling
from kit.evaluate.reliability import measure_reliability
from kit.export.parity import Answers
from kit.progress import SILENT, Progress
from kit.runtime.watch import FILE, Watch, load_watch

MOVED = 0.02
"""Share of a watch's threshold by which the distance of a picture may move."""

WORSE = 0.005
"""By so much the calibration error may grow, in 0..1."""

_NO_DISTANCE = 1e-12  # threshold of a watch to which all pictures looked alike


def carry(
    bundle: Bundle,
    card: BundleCard,
    before: Answers,
    after: Answers,
    progress: Progress = SILENT,
) -> tuple[BundleCard, dict[str, Path]]:
    """The card with the watch and the scaling that still hold, and the files they need.

    Args:
        bundle: that they were fitted to. card: of what was made of it.
        before, after: what both say of the gate's pictures.
    """
    files: dict[str, Path] = {}
    watch = load_watch(bundle)
    if watch is not None and (why := _watch_fails(watch, before, after)) is None:
        files[FILE] = bundle.directory / FILE
    elif watch is not None:
        card = replace(card, watch={})
        progress.note(
            f"note: the watch is left out, {why}; fit one anew with "
            "`kit calibrate BUNDLE SRC --watch --out BUNDLE`"
        )
    if card.scaling is not None and (why := _scaling_fails(card.scaling, before, after)):
        card = replace(card, scaling=None)
        progress.note(
            f"note: the scaling of scores is left out, {why}; fit one anew with "
            "`kit calibrate BUNDLE SRC --scores temperature --out BUNDLE`"
        )
    return card, files


def moved(watch: Watch, before: Answers, after: Answers) -> float | None:
    """How far distances of the same pictures have moved at most, in shares of the threshold; None
    where there are no such features."""
    if before.features is None or after.features is None:
        return None
    if watch.width != before.features.shape[1] or watch.width != after.features.shape[1]:
        return None
    apart = watch.distance(after.features) - watch.distance(before.features)
    return float(np.abs(apart).max()) / max(watch.threshold, _NO_DISTANCE)


def _watch_fails(watch: Watch, before: Answers, after: Answers) -> str | None:
    """Why it doesn't hold, None where it does."""
    share = moved(watch, before, after)
    if share is None:
        return "the graph has not the features it was fitted to"
    if share <= MOVED:
        return None
    return f"distances of valid pictures moved by up to {share:.1%} of its threshold"


def _scaling_fails(scaling: Scaling, before: Answers, after: Answers) -> str | None:
    first, second = (measure_reliability(each.matches, scaling) for each in (before, after))
    if first is None or second is None:
        return "too little is detected to tell whether it holds"
    if second.error - first.error <= WORSE:
        return None
    return f"calibration error on valid {first.error:.3f} -> {second.error:.3f}"
