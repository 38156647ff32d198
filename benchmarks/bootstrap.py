"""How long every interval of an evaluation takes, for 500 pictures: under 10 s is promised.

Made-up answers, since only their number matters: a dozen objects and 100 detections a picture of
three classes, and the same of eighty classes. Timed is all that comes after the reference
evaluator: AP, AP50, sensitivity and precision of each class, 2000 draws and one with each picture
left out, and FROC with its bands.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

from _common import Limit, at_least, finish, parser, write_report

SECONDS = 10.0


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--pictures", type=int, default=500, help="(default 500)")
    args = made.parse_args()
    at_least(args, pictures=2)

    from kit.report.page import Cell, Table

    found = [_time(classes, args.pictures) for classes in (3, 80)]
    header = ("classes", "pictures", "detections", "evaluator (s)", "intervals (s)", "FROC (s)")
    rows: list[list[Cell]] = [list(each.values()) for each in found]
    limits = [
        Limit(f"seconds, {each['classes']} classes", each["intervals"] + each["froc"], SECONDS)
        for each in found
    ]
    return write_report(
        "bootstrap",
        "What intervals cost",
        "Seconds for all intervals of an evaluation, 2000 draws.",
        [Table("Seconds", header, rows)],
        limits,
        {"runs": found},
        threads=None,
        out=args.out,
    )


def _time(classes: int, pictures: int) -> dict[str, Any]:
    from kit.evaluate.coco import run, summarize
    from kit.evaluate.detail import detail
    from kit.evaluate.froc import froc
    from kit.evaluate.matches import match

    dataset, answers = _drawn(classes, pictures)
    begun = perf_counter()
    evaluator = run(dataset, answers)
    scores, matches = summarize(evaluator, dataset), match(evaluator, dataset)
    evaluated = perf_counter()
    curves = froc(matches)
    curved = perf_counter()
    detail(matches, scores, curves, operating_point=0.25)
    return {
        "classes": classes,
        "pictures": pictures,
        "detections": sum(map(len, answers)),
        "evaluator": round(evaluated - begun, 2),
        "intervals": round(perf_counter() - curved, 2),
        "froc": round(curved - evaluated, 2),
    }


def _drawn(classes: int, pictures: int) -> tuple[Any, Any]:
    """Each object is found once, a little beside, and the rest of the detections are nothing."""
    from pathlib import Path

    import numpy as np

    from kit.data.dataset import Dataset
    from kit.types import Detections, Example

    rng = np.random.default_rng(0)
    examples, answers = [], []
    for index in range(pictures):
        count = int(rng.integers(6, 19))
        corner = rng.uniform(0, 550, (count + 88, 2))
        boxes = np.concatenate([corner, corner + rng.uniform(15, 60, (count + 88, 2))], axis=1)
        labels = rng.integers(0, classes, len(boxes))
        truth = Detections.truth(boxes[:count], labels[:count])
        path = Path(f"{index}.png")
        examples.append(Example(path.name, path, (640, 640), truth, np.zeros(count, np.uint8)))
        beside = boxes + np.pad(rng.normal(0, 3, (count, 4)), ((0, 88), (0, 0)))
        scores = np.concatenate([rng.beta(4, 2, count), rng.beta(1, 6, 88)])
        answers.append(Detections(beside, scores, labels))
    names = [f"class {label}" for label in range(classes)]
    return Dataset.from_examples("drawn", Path(), names, examples, {}), answers


if __name__ == "__main__":
    finish(main)
