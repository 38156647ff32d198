"""How far known datasets lie from COCO as pretrained detectors see them: the yardsticks of advice.

For each model, from its COCO weights (KIT_WEIGHTS) and the datasets (KIT_DATA): makes the reference
of the COCO sample again and writes it beside the model's card, measures the train split of each set
against it, and two random halves of the COCO sample against each other, ten times. The halves show
what the measures say of two samples of one set that are as small.

The study that the bands come from orders the sets: vehicles nearest, masks, blood cells farthest.
Whether each measure puts them in this order is reported, not promised.

Expect three minutes a model on one core.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _common import finish, parser, write_report

COCO = "coco128"
SETS = ("vehicles-openimages", "mask-wearing", "bccd")
"""In the study's order, nearest first."""
HALVES = 10
MEASURES = ("cosine", "mmd", "svm")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--models", nargs="+", default=["yolov8n", "yolov8s"], metavar="MODEL")
    args = options.parse_args()
    return report(args.out, {model: measure(model) for model in args.models})


def measure(model: str) -> dict[str, Any]:
    """Distances of each set, of whole pictures and of objects, and of halves; the model's reference
    is written with them as yardsticks."""
    from kit.advise.evidence import write_reference
    from kit.cards import ModelCard, card_folder, load_card
    from kit.data.findings import require_read
    from kit.finetune import distance
    from kit.finetune.features import extract
    from kit.finetune.prepare import chosen_pictures, examined
    from kit.finetune.pretrained import pretrained
    from kit.finetune.transferability import tlogme

    path: Path = card_folder(ModelCard) / f"{model}.coco.safetensors"
    write_reference(model, COCO, path)
    reference = distance.Reference.load(path)  # as it is kept, in half precision
    own = pretrained(load_card(ModelCard, model))
    found: dict[str, Any] = {}
    for name in SETS:
        print(f"{model}: {name}", file=sys.stderr, flush=True)
        dataset = examined(name)
        require_read(dataset, before="measuring")
        train = dataset.take(chosen_pictures(dataset, None))
        features = extract(own.graph, train, own.card.input, device=own.device)
        found[name] = {
            "count": len(train),
            "tlogme": tlogme(features),
            **{of: each.facts() for of, each in distance.of(features, reference).items()},
        }
    halves = [
        _halves(reference.pictures, np.random.default_rng(seed)).facts() for seed in range(HALVES)
    ]
    mean = {name: float(np.mean([each[name] for each in halves])) for name in MEASURES}
    yardsticks = {
        "two halves of COCO": mean,
        **{name: {m: each["pictures"][m] for m in MEASURES} for name, each in found.items()},
    }
    replace(reference, yardsticks=yardsticks).save(path)
    return {"reference": reference.source, "sets": found, "halves": halves, "halves_mean": mean}


def _halves(pictures: Any, rng: np.random.Generator) -> Any:
    from kit.finetune.distance import measure

    order = rng.permutation(len(pictures))
    middle = len(order) // 2
    return measure(pictures[order[:middle]], pictures[order[middle:]])


def report(out: Path, measured: dict[str, Any]) -> int:
    from kit.report.page import Table

    tables = []
    for model, told in measured.items():
        rows: list[list[Any]] = [["two halves", "pictures", *_of(told["halves_mean"]), None]]
        for name, each in told["sets"].items():
            rows.append([name, "pictures", *_spans(each["pictures"]), round(each["tlogme"], 3)])
            rows.append([name, "objects", *_spans(each["objects"]), None])
        tables.append(
            Table(
                f"{model}, to {told['reference']}",
                ("set", "of", "cosine", "MMD", "linear SVM", "TLogME"),
                rows,
                note=f"In the study's order: {', '.join(_kept(told)) or 'by no measure'}. "
                "Intervals: 95 %, over pictures. Halves: mean of ten.",
            )
        )
        print(f"{model}: in the study's order {', '.join(_kept(told)) or 'by no measure'}")
    return write_report(
        "distances",
        "How far from COCO",
        "Mean penultimate features of the train splits under detectors with COCO weights, against "
        "those of a COCO sample: cosine distance, squared MMD with a linear kernel (without bias, "
        "in units of the mean squared feature vector), and the balanced accuracy of a linear SVM.",
        tables,
        [],
        {"models": measured},
        threads=None,
        out=out,
    )


def _kept(told: dict[str, Any]) -> list[str]:
    """Measures that put the sets in the study's order."""
    found = []
    for of in ("pictures", "objects"):
        for name in MEASURES:
            values = [each[of][name] for each in told["sets"].values()]
            if values == sorted(set(values)):
                found.append(f"{name} of {of}")
    return found


def _of(values: dict[str, float]) -> list[str]:
    return [f"{values[name]:.3f}" for name in MEASURES]


def _spans(told: dict[str, Any]) -> list[str]:
    return [
        f"{told[name]:.3f} ({told['interval'][name][0]:.3f} to {told['interval'][name][1]:.3f})"
        for name in MEASURES
    ]


if __name__ == "__main__":
    finish(main)
