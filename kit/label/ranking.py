"""Which pictures to label next: those a detector is unsure of, and that differ among themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Bundle
from kit.data.dataset import Dataset
from kit.data.manifest import Manifest
from kit.errors import UsageError
from kit.label.survey import Seen, Survey
from kit.types import Detections, Example

UNCERTAINTY = "sum of squared 1-vs-2 margins (Brust, Käding and Denzler 2019)"
DIVERSITY = "k-centre greedy in pooled features (Sener and Savarese 2018)"

_NOISE = 1e-6  # of a channel's largest value: one that deviates less is taken for constant


def rank(
    uncertainty: NDArray[np.float64],
    features: NDArray[np.float32] | None,
    count: int,
    *,
    labelled: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> NDArray[np.int64]:
    """Order pictures by k-centre greedy, each weighted by its uncertainty.

    A core-set (Sener and Savarese 2018, "Active learning for convolutional neural networks: a
    core-set approach") leaves no picture far from a labelled one. Here what must not be far are the
    pictures the detector is unsure of: the weighted k-centre problem, to choose a set S that makes
    ``max_i w_i d(i, S)`` small. First comes the most uncertain picture, then always the one whose
    ``w_i d(i, S)`` is largest; each prefix is within a factor of 3 of the best choice of as many
    (Dyer and Frieze 1985, "A simple heuristic for the p-centre problem"). So the first 10 lie
    inside the first 20, and of two pictures that show the same the second comes after all others.

    ``w_i = 1 + uncertainty_i / mean uncertainty``: half of all weight is shared equally, so that a
    picture on which nothing is found has its turn when it looks unlike all others. Distances are
    Euclidean in features that are standardised over the folder: each channel has mean 0 and
    deviation 1, one that is constant is 0. Without features the most uncertain come first.

    Args:
        uncertainty: ``(P,)``, 0 or more.
        features: ``(P, D)``, or None.
        count: how many to choose, at most those not labelled; who comes first doesn't depend on it.
        labelled: ``(P,)`` pictures that are not chosen, and that the chosen should be far from.
        seed: which of equally good pictures comes first.

    Returns:
        ``(count,)`` indices of pictures, first the one to label first.
    """
    done = np.zeros(len(uncertainty), bool) if labelled is None else labelled
    shuffled = np.random.default_rng(seed).permutation(np.flatnonzero(~done))
    order = shuffled[np.argsort(-uncertainty[shuffled], kind="stable")]
    if features is None:
        return order[:count]
    points = _standardised(features)
    rest, mean = points[order], uncertainty[order].mean()
    weight = 1 + (uncertainty[order] / mean if mean > 0 else np.zeros(len(order)))
    far = np.full(len(order), np.inf)
    for point in points[done]:
        far = np.minimum(far, _distance(rest, point))
    chosen = np.empty(count, np.int64)
    for place in range(count):
        worth = weight * np.where(np.isinf(far), 1.0, far)
        worth[chosen[:place]] = -1.0  # what shows the same as one of them is worth 0, and is last
        chosen[place] = worth.argmax()  # of equal ones the first, which is the most uncertain
        far = np.minimum(far, _distance(rest, rest[chosen[place]]))
    return order[chosen]


@dataclass(frozen=True, eq=False)
class Choice:
    """Pictures to label next.

    Attributes:
        manifest: lists them, the one to label first first.
        pictures: what was seen of each, in the same order.
    """

    manifest: Manifest
    pictures: Sequence[Seen]


def choose(
    survey: Survey,
    bundle: Bundle,
    count: int,
    *,
    labelled: Collection[str] = (),
    seed: int = 0,
) -> Choice:
    """Choose pictures to label next.

    Args:
        survey: what the bundle's detector saw.
        count: how many pictures.
        labelled: sha256 of pictures that are labelled already; those in the folder are not chosen,
            and what looks like them comes late.

    Returns:
        Its manifest counts no object, since none is labelled. Its facts: the bundle, how many
        pictures were looked at and left out, the boxes that were found on the chosen ones, and
        rank, uncertainty and boxes of each.

    Raises:
        UsageError: fewer pictures than that are left to choose from.
    """
    done = survey.labelled(labelled)
    require_enough(count, int(np.count_nonzero(~done)), survey.folder)
    doubts = np.array([one.uncertainty for one in survey.seen])
    features = survey.features
    order = rank(doubts, features, count, labelled=done, seed=seed)
    chosen = [survey.seen[index] for index in order]
    labels = Counter(int(label) for one in chosen for label in one.found.labels)
    manifest = _unlabelled(survey, chosen).manifest(
        np.arange(count),
        rule="next to label: "
        + (UNCERTAINTY if features is None else f"{DIVERSITY}, weighted by the {UNCERTAINTY}"),
        seed=seed,
        bundle=bundle.card.name,
        bundle_sha256=bundle.sha256,
        folder=str(survey.folder),
        pool={
            "pictures": len(survey.seen),
            "labelled": int(np.count_nonzero(done)),
            "uncertainty": _rounded(doubts[~done].mean()),
        },
        left_out=dict(survey.failed),
        sample={
            "pictures": count,
            "uncertainty": _rounded(doubts[order].mean()),
            "found": {name: labels[place] for place, name in enumerate(survey.classes)},
        },
        ranked=[
            {
                "rank": place,
                "id": one.id,
                "uncertainty": _rounded(one.uncertainty),
                "found": len(one.found),
            }
            for place, one in enumerate(chosen, 1)
        ],
    )
    return Choice(manifest, chosen)


def require_enough(count: int, there: int, folder: Path) -> None:
    """Raise where more pictures are asked for than there are.

    Raises:
        UsageError: naming both numbers.
    """
    if not 1 <= count <= there:
        raise UsageError(
            f"{count} picture(s) to label next are asked for, there are {there} to choose from",
            where=folder,
            fix=f"--next with a number from 1 to {there}" if there else "name a folder with others",
        )


def _unlabelled(survey: Survey, chosen: Sequence[Seen]) -> Dataset:
    none = np.zeros(0, np.uint8)
    examples = [
        Example(one.id, survey.folder / one.id, one.size, Detections.empty(), none)
        for one in chosen
    ]
    return Dataset.from_examples(survey.folder.name, survey.folder, survey.classes, examples, {})


def _standardised(features: NDArray[np.float32]) -> NDArray[np.float32]:
    deviation = features.std(0, dtype=np.float64)
    constant = deviation <= _NOISE * np.abs(features).max(0)
    mean = features.mean(0, dtype=np.float64)
    return np.asarray((features - mean) / np.where(constant, np.inf, deviation), np.float32)


def _distance(points: NDArray[np.float32], point: NDArray[np.float32]) -> NDArray[np.float64]:
    apart = points - point
    return np.asarray(np.sqrt(np.einsum("pd,pd->p", apart, apart)), np.float64)


def _rounded(value: float) -> float:
    return round(float(value), 4)
