"""What `kit sample --next` chooses, beside pictures drawn at random, on embedded smears and BCCD.

A detector learns from a few training pictures drawn at random. The others are the folder of
unlabelled pictures, of which it chooses as many again; their labels, which are known but were not
shown, tell what was chosen: boxes the detector gets wrong (false or missed, at its operating point
and an overlap of 0.5), objects a person would have to draw, objects of the rarest class. Beside it
stand both halves of the rule alone, and random draws.

Then one round is gone to its end: the detector is trained again, from the COCO weights, with the
chosen pictures added; with as many random ones; and with random ones that hold as many objects,
since those are what labelling costs. Scored on the test pictures of each set.

BCCD needs KIT_DATA, both need KIT_WEIGHTS. Some half an hour on one core.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Limit, at_least, finish, parser, write_report

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kit.bundle import Bundle
    from kit.data.dataset import Dataset
    from kit.evaluate.report import Measurement
    from kit.report.page import Table
    from kit.types import Detections

MODEL, RECIPE, EPOCHS = "yolov8n", "quickstart", 30
VALID = 20
"""Pictures of valid that choose the best epoch: somebody with so few labels has no more."""

OVERLAP = 0.5
NEXT, RANDOM, AS_MANY = "next to label", "random", "random, as many objects"
HELD = ("errors", "objects", "rarest", "distance")


@dataclass(frozen=True, eq=False)
class Trial:
    """A dataset with splits, and how it is used.

    Attributes:
        start: training pictures the first detector learns from, and as many are chosen.
        size: of the input in pixels.
    """

    dataset: Dataset
    start: int
    size: int


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    made.add_argument("--draws", type=int, default=20, help="random choices (20)")
    made.add_argument("--threads", type=int, default=1)
    args = made.parse_args()
    at_least(args, draws=2, threads=1)
    results: dict[str, dict[str, Any]] = {}
    tables: list[Table] = []
    limits: list[Limit] = []
    with tempfile.TemporaryDirectory(prefix="kit-next-") as scratch:
        for trial in _trials(Path(scratch)):
            name = trial.dataset.name
            rounds = {
                seed: _round(
                    trial, seed, args.draws, args.threads, Path(scratch) / f"{name}-{seed}"
                )
                for seed in args.seeds
            }
            held, trained = _held(trial, rounds), _trained(trial, rounds)
            tables += [held, trained]
            limits += _limits(name, rounds)
            results[name] = {str(seed): one["plain"] for seed, one in rounds.items()}
    return write_report(
        "next-to-label",
        "Next to label",
        "What `kit sample --next` chooses and what it brings, beside random pictures.",
        tables,
        limits,
        {"draws": args.draws, "epochs": EPOCHS, "sets": results},
        threads=args.threads,
        out=args.out,
    )


def _trials(scratch: Path) -> list[Trial]:
    from kit.data import smear
    from kit.data.doctor import usable
    from kit.data.source import open_source
    from kit.data.split import split

    smear.make(scratch / "smears", pictures=240)
    drawn = usable(open_source(str(scratch / "smears")))
    trials = [Trial(split(drawn, (0.6, 0.15, 0.25), group_by=smear.GROUPS), 6, 224)]
    if os.environ.get("KIT_DATA"):
        trials.append(Trial(usable(open_source("bccd")), 20, 320))
    return trials


def _round(trial: Trial, seed: int, draws: int, threads: int, folder: Path) -> dict[str, Any]:
    """Train, choose, look at what was chosen, train again."""
    import numpy as np

    from kit import door
    from kit.label.ranking import choose, rank
    from kit.label.survey import survey

    rng = np.random.default_rng(seed)
    dataset, count = trial.dataset, trial.start
    train = rng.permutation(dataset.split("train"))
    first, bundle = _train(trial, train[:count], seed, threads, folder / "first")
    for index in train:
        copy = folder / "ward" / dataset.ids[index]
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(dataset.path(int(index)), copy)
    digests = dataset.manifest(train[:count], rule="labelled").pictures
    seen = survey(door.open(bundle, threads=threads), folder / "ward")
    done, doubts = seen.labelled(digests), np.array([one.uncertainty for one in seen.seen])
    pool = np.array([dataset.index[one.id] for one in seen.seen])
    truth = [dataset[int(index)].truth for index in pool]
    figures = {
        "errors": np.array([_errors(s.found, t) for s, t in zip(seen.seen, truth, strict=True)]),
        "objects": np.array([len(boxes) for boxes in truth]),
        "rarest": np.array([np.count_nonzero(t.labels == _rarest(dataset)) for t in truth]),
    }
    free = np.flatnonzero(~done)
    drawn = [rng.choice(free, count, replace=False) for _ in range(draws)]
    place = {one.id: index for index, one in enumerate(seen.seen)}
    chosen = choose(seen, bundle, count, labelled=digests, seed=seed).manifest.ids
    choices = {
        NEXT: np.array([place[name] for name in chosen]),
        "uncertainty alone": rank(doubts, None, count, labelled=done),
        "diversity alone": rank(np.zeros(len(doubts)), seen.features, count, labelled=done),
    }
    hold = {
        name: _figures(choice, figures, seen.features, done) for name, choice in choices.items()
    }
    by_chance = [_figures(choice, figures, seen.features, done) for choice in drawn]
    as_many = _as_many(figures["objects"], rng.permutation(free), choices[NEXT])
    scores = {"start": first}
    for name, choice in ((NEXT, choices[NEXT]), (RANDOM, drawn[0]), (AS_MANY, as_many)):
        more = np.concatenate([train[:count], pool[choice]])
        scores[name] = _train(trial, more, seed, threads, folder / name)[0]
    plain = {
        "held": {**hold, RANDOM: by_chance},
        "trained": {
            name: {"ap50": m.report.ap50, "ap": m.report.ap, "pictures": count if name == "start"
                   else count + (len(as_many) if name == AS_MANY else count)}
            for name, m in scores.items()
        },
    }  # fmt: skip
    shutil.rmtree(folder)
    print(f"{dataset.name}, seed {seed}: {plain['trained']}", flush=True)
    return {"plain": plain, "scores": scores}


def _train(
    trial: Trial, pictures: NDArray[np.int64], seed: int, threads: int, folder: Path
) -> tuple[Measurement, Bundle]:
    """Fine-tune on these pictures, and score on test."""
    from dataclasses import replace

    from kit import door
    from kit.evaluate.report import measure
    from kit.finetune.engine import Machine
    from kit.finetune.prepare import prepare
    from kit.finetune.train import train

    dataset = trial.dataset
    splits = {**dataset.splits, "valid": dataset.split("valid")[:VALID]}
    job = prepare(
        MODEL,
        replace(dataset, splits=splits),
        sample=dataset.manifest(pictures, rule="labelled"),
        recipe=RECIPE,
        seed=seed,
        epochs=EPOCHS,
        size=trial.size,
    )
    bundle = train(job, folder, Machine("cpu", threads=threads, workers=0))
    return measure(door.open(bundle, threads=threads), bundle, dataset, "test"), bundle


def _errors(found: Detections, truth: Detections) -> int:
    """Boxes that hit no object of their class, and objects that no box hits; best box first."""
    import numpy as np

    free, hits = np.ones(len(truth), bool), 0
    for box, _, label in found:
        inner = np.minimum(box[2:], truth.xyxy[:, 2:]) - np.maximum(box[:2], truth.xyxy[:, :2])
        shared = np.clip(inner, 0, None).prod(axis=1)
        overlap = shared / ((box[2:] - box[:2]).prod() + truth.area - shared)
        overlap[~free | (truth.labels != label)] = 0.0
        if len(overlap) and overlap.max() >= OVERLAP:
            free[overlap.argmax()] = False
            hits += 1
    return len(found) + len(truth) - 2 * hits


def _rarest(dataset: Dataset) -> int:
    counts = dataset.class_counts(dataset.split("train"))
    return dataset.classes.index(min(counts, key=lambda name: counts[name]))


def _figures(
    choice: NDArray[np.int64],
    figures: Mapping[str, NDArray[np.int64]],
    features: Any,
    done: NDArray[np.bool_],
) -> dict[str, float]:
    """Means over the chosen pictures, and how far the others are from their nearest labelled one,
    in standardised features."""
    import numpy as np

    points = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
    known = done.copy()
    known[choice] = True
    apart = np.linalg.norm(points[~known][:, None] - points[known][None], axis=2)
    means = {name: float(values[choice].mean()) for name, values in figures.items()}
    return {**means, "distance": float(apart.min(axis=1).mean())}


def _as_many(
    objects: NDArray[np.int64], order: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The first of these pictures that hold as many objects as the chosen, to the nearest."""
    import numpy as np

    held = np.cumsum(objects[order])
    return order[: int(np.abs(held - objects[chosen].sum()).argmin()) + 1]


def _held(trial: Trial, rounds: Mapping[int, Any]) -> Table:
    from statistics import mean

    from kit.report.page import Cell, Table

    def row(name: str, figures: Sequence[Mapping[str, float]]) -> list[Cell]:
        means = {key: mean(one[key] for one in figures) for key in HELD}
        per_object = mean(one["errors"] / one["objects"] for one in figures)
        return [name, *(means[key] for key in HELD[:3]), per_object, means["distance"]]

    held = [one["plain"]["held"] for one in rounds.values()]
    by_chance = [draw for one in held for draw in one[RANDOM]]
    rows = [row(name, [one[name] for one in held]) for name in held[0] if name != RANDOM]
    rows.append(row(RANDOM, by_chance))
    errors = sorted(draw["errors"] for draw in by_chance)
    rarest = trial.dataset.classes[_rarest(trial.dataset)]
    return Table(
        f"{trial.dataset.name}: what the {trial.start} chosen pictures hold",
        ("", "errors", "objects", f"{rarest}", "errors an object", "distance of the others"),
        rows,
        f"A picture, mean over {len(rounds)} seeds. The {len(errors)} random draws hold "
        f"{errors[0]:.2f} to {errors[-1]:.2f} errors a picture.",
    )


def _trained(trial: Trial, rounds: Mapping[int, Any]) -> Table:
    from kit.evaluate.paired import compare
    from kit.report.page import Cell, Table

    rows: list[list[Cell]] = []
    ours = {key: _repeated(NEXT, rounds, key) for key in ("ap50", "ap")}
    for name in ("start", RANDOM, AS_MANY, NEXT):
        theirs = {key: _repeated(name, rounds, key) for key in ("ap50", "ap")}
        row: list[Cell] = [
            name,
            sum(one["plain"]["trained"][name]["pictures"] for one in rounds.values()) / len(rounds),
            *(theirs["ap50"].scores.values()),
            theirs["ap50"].mean,
            theirs["ap"].mean,
        ]
        for key in ("ap50", "ap"):
            if name == NEXT:
                row.append(None)
                continue
            found = compare(ours[key], theirs[key])
            low, high = found.interval
            row.append(f"{found.mean:+.3f} ({low:+.3f} to {high:+.3f})")
        rows.append(row)
    seeds = [f"AP50, seed {seed}" for seed in rounds]
    return Table(
        f"{trial.dataset.name}: after one round",
        ("trained on", "pictures", *seeds, "AP50", "AP", "AP50: next is better by", "AP: by"),
        rows,
        f"Test pictures: {len(trial.dataset.split('test'))}. Intervals of 95 %, over seeds and "
        "test pictures.",
    )


def _repeated(name: str, rounds: Mapping[int, Any], key: str) -> Any:
    from kit.evaluate.paired import Repeated

    found = {seed: one["scores"][name] for seed, one in rounds.items()}
    return Repeated(
        bundle=name,
        manifest_sha256=next(iter(found.values())).report.manifest_sha256,
        scores={seed: getattr(m.report, key) for seed, m in found.items()},
        drawn={seed: getattr(m.resampled, key) for seed, m in found.items()},
    )


def _limits(name: str, rounds: Mapping[int, Any]) -> list[Limit]:
    """That the rule does what it is for: find pictures the detector gets wrong."""
    from statistics import mean

    held = [one["plain"]["held"] for one in rounds.values()]
    chance = mean(draw["errors"] for one in held for draw in one[RANDOM])
    return [
        Limit(
            f"{name}: errors a picture, random over chosen",
            chance / mean(one[NEXT]["errors"] for one in held),
            1.0,
        )
    ]


if __name__ == "__main__":
    finish(main)
