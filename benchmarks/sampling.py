"""Samples: how long a million pictures take, how near they are to the best, how even they are.

Speed: a made-up dataset of a million pictures and ten million boxes in 20 skewed classes, half of
a picture's boxes of one class that it prefers. Each run is a fresh process that does all of `kit
sample` but reading labels and hashing the chosen pictures: from columns of boxes to all pictures in
order. Promised: 10 s for the balanced order, and 2 GB at the peak of the process, dataset and all.
Other work on the machine only adds to the time, so the least of the runs is told; CPU time beside.

Gap: what the balanced order reaches of its objective, and the most there is, by integer programming
on small made-up pools: of any choice of as many objects, and of as many pictures.

Evenness: entropy of the objects at a part of the pictures, by the kit's rules and by greedy choice
for gain per picture; on the embedded smears, and with KIT_DATA on BCCD, Mask Wearing and Vehicles.

Expect two minutes on a machine that does nothing else. Needs scipy.
"""

from __future__ import annotations

import os
import resource
import statistics
import time
from typing import TYPE_CHECKING, Any

from _common import Limit, alone, at_least, finish, parser, write_report
from _optimum import optimum, worth

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kit.data.dataset import Dataset
    from kit.report.page import Table

PICTURES, BOXES, CLASSES, SKEW = 1_000_000, 10_000_000, 20, 1.5
SECONDS, GIGABYTES = 10, 2
POOLS, POOL_PICTURES, POOL_CLASSES, TAKEN = 50, 30, 4, (3, 6, 9, 15)
SHARES = (0.1, 0.25, 0.5, 0.75)
SETS = ("bccd", "mask-wearing", "vehicles-openimages")


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--runs", type=int, default=3, metavar="N", help="of the large set (3)")
    made.add_argument("--seeds", type=int, default=10, metavar="N", help="for evenness (10)")
    args = made.parse_args()
    at_least(args, runs=1, seeds=1)
    runs = [alone(order_many) for _ in range(args.runs)]
    gaps = alone(gap_to_best)
    even = alone(evenness, args.seeds)
    limits = [
        Limit(
            f"seconds for {PICTURES:,} pictures in balanced order",
            min(run["gather"]["wall"] + run["balanced"]["wall"] for run in runs),
            SECONDS,
        ),
        Limit("GB at the peak", max(run["peak_gb"] for run in runs), GIGABYTES),
        Limit("bound over the least share of the best", gaps["bound"] / gaps["least"], 1),
    ]
    return write_report(
        "sampling",
        "Samples",
        f"A million pictures in order, the least of {args.runs} runs; gap to the best; evenness.",
        [_speed(runs), _gaps(gaps), *(_even(name, rows) for name, rows in even.items())],
        limits,
        {"runs": runs, "gaps": gaps, "evenness": even},
        threads=1,
        out=args.out,
    )


def order_many() -> dict[str, Any]:
    """Order the large set by each rule; seconds of each part, and the peak of memory."""
    import numpy as np

    from kit.data.doctor import usable
    from kit.data.ordering import balanced, stratified
    from kit.data.sampling import gather

    dataset = large()
    clock = Clock()
    pool = gather(usable(dataset))
    told: dict[str, Any] = {"boxes": len(dataset.labels), "gather": clock.lap()}
    for name, rule in (("balanced", balanced), ("random", stratified)):
        order = rule(pool.units, np.random.default_rng(0))
        told[name] = clock.lap()
        assert len(np.unique(order)) == PICTURES
        clock.lap()
    told["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return told


class Clock:
    """Seconds of wall and of CPU since it was last asked."""

    def __init__(self) -> None:
        self._last = self._now()

    def lap(self) -> dict[str, float]:
        now = self._now()
        spent = {name: now[name] - self._last[name] for name in now}
        self._last = now
        return spent

    def _now(self) -> dict[str, float]:
        return {"wall": time.perf_counter(), "cpu": time.process_time()}


def large() -> Dataset:
    """A dataset without files."""
    from pathlib import Path

    import numpy as np

    from kit.data.dataset import Dataset

    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, CLASSES + 1) ** SKEW
    shares /= shares.sum()
    lengths = rng.poisson(BOXES / PICTURES, PICTURES)
    preferred = np.repeat(rng.choice(CLASSES, PICTURES, p=shares), lengths)
    labels = rng.choice(CLASSES, len(preferred), p=shares)
    labels = np.where(rng.random(len(labels)) < 0.5, preferred, labels)
    boxes = np.zeros((len(labels), 4))
    boxes[:, 2:] = 10
    return Dataset(
        name="large",
        root=Path(),
        classes=tuple(f"class{label}" for label in range(CLASSES)),
        ids=tuple(f"images/{picture:07}.jpg" for picture in range(PICTURES)),
        sizes=np.full((PICTURES, 2), 100, np.int32),
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        boxes=boxes,
        labels=labels,
        ignore=np.zeros(len(labels), np.uint8),
        splits={"train": np.arange(PICTURES)},
    )


def gap_to_best() -> dict[str, Any]:
    """Shares of the best that balanced prefixes reach, with nothing drawn for coverage."""
    import numpy as np

    from kit.data.ordering import TOLERANCE, balanced

    reached: dict[str, list[float]] = {"objects": [], "pictures": []}
    for seed in range(POOLS):
        rng = np.random.default_rng(seed)
        mean = 4 / np.arange(1, POOL_CLASSES + 1) ** SKEW
        crowd = rng.gamma(0.7, 1 / 0.7, (POOL_PICTURES, 1))
        table = rng.poisson(crowd * mean)
        order = balanced(units_of(table), np.random.default_rng(seed), least=0)
        for taken in TAKEN:
            chosen = table[order[:taken]]
            for name, cost in (("objects", table.sum(1)), ("pictures", np.ones(POOL_PICTURES))):
                best = optimum(table, cost, cost[order[:taken]].sum())
                reached[name].append(worth(chosen.sum(0)) / best)
    return {
        "bound": 1 - float(np.exp(-1 / (1 + TOLERANCE) ** 2)),
        "least": min(reached["objects"]),
        **reached,
    }


def evenness(seeds: int) -> dict[str, list[list[Any]]]:
    """By dataset a row a rule: at each share of the pictures, mean entropy and objects."""
    import numpy as np

    from kit.data.ordering import balanced, stratified
    from kit.data.sampling import entropy, gather
    from kit.data.source import open_source

    found = {}
    for name in ("blood-smears", *(SETS if os.environ.get("KIT_DATA") else ())):
        units = gather(open_source(name)).units
        table = np.array([units[np.array([unit])].total() for unit in range(len(units))])
        rows = []
        for rule, order in (
            ("random, stratified", lambda rng: stratified(units, rng)),  # noqa: B023
            ("gain per picture", lambda rng: by_picture(table, rng)),  # noqa: B023
            ("balanced: gain per object", lambda rng: balanced(units, rng)),  # noqa: B023
        ):
            orders = [order(np.random.default_rng(seed)) for seed in range(seeds)]
            row: list[Any] = [rule]
            for share in SHARES:
                size = int(share * len(units) + 0.5)
                got = [table[drawn[:size]].sum(0) for drawn in orders]
                row += [np.mean([entropy(counts) for counts in got]).item()]
                row += [np.mean([counts.sum() for counts in got]).item()]
            rows.append(row)
        whole = table.sum(0)
        rows.append(["the whole", *[entropy(whole), whole.sum().item()] * len(SHARES)])
        found[name] = rows
    return found


def by_picture(table: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """Greedy choice for the same objective by gain per picture, which favours crowded ones."""
    import numpy as np

    left = list(rng.permutation(len(table)))
    have, order = np.zeros(table.shape[1]), []
    while left:
        best = int(np.log1p(table[left] / (1 + have)).sum(1).argmax())
        order.append(left.pop(best))
        have += table[order[-1]]
    return np.array(order)


def units_of(table: NDArray[Any]) -> Any:
    """A ``(P, C)`` table of objects as what is ordered."""
    import numpy as np

    from kit.data.ordering import Units

    pictures, labels = np.divmod(np.repeat(np.arange(table.size), table.ravel()), table.shape[1])
    return Units.count(pictures, labels, np.ones(len(table), np.int64), table.shape[1])


def _speed(runs: list[dict[str, Any]]) -> Table:
    from kit.report.page import Table

    rows = [
        [words, *(min(run[part][kind] for run in runs) for kind in ("wall", "cpu"))]
        for part, words in (
            ("gather", "boxes checked, sorted, counted"),
            ("balanced", "balanced order"),
            ("random", "random order, stratified"),
        )
    ]
    return Table(f"{PICTURES:,} pictures, {runs[0]['boxes']:,} boxes", ("part", "s", "CPU s"), rows)


def _gaps(gaps: dict[str, Any]) -> Table:
    from kit.report.page import Table

    rows = [
        [
            f"of any as many {name}",
            statistics.mean(gaps[name]),
            min(gaps[name]),
            gaps["bound"] if name == "objects" else None,
        ]
        for name in ("objects", "pictures")
    ]
    return Table(
        "Share of the best objective",
        ("the best", "mean", "worst", "guaranteed"),
        rows,
        note=f"{POOLS} made-up pools of {POOL_PICTURES} pictures and {POOL_CLASSES} classes, of "
        f"which {', '.join(map(str, TAKEN))} pictures are taken. The best of as many pictures are "
        "the crowded ones.",
    )


def _even(name: str, rows: list[list[Any]]) -> Table:
    from kit.report.page import Table

    header = ["rule"]
    for share in SHARES:
        header += [f"{share:.0%}", "objects"]
    return Table(f"Entropy in bits, {name}", header, [[*row[:1], *_cells(row[1:])] for row in rows])


def _cells(values: list[float]) -> list[Any]:
    return [
        f"{value:.3f}" if place % 2 == 0 else round(value) for place, value in enumerate(values)
    ]


if __name__ == "__main__":
    finish(main)
