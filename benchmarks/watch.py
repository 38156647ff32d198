"""What the watch is worth: pictures of other kinds, and spoilt copies, told from those of training.

A bundle's features (``--bundle``; by default the vendor's official YOLOv8n with COCO weights,
KIT_WEIGHTS, exported by the kit at 416 px) of one dataset (KIT_DATA; BCCD): its train split says
what is usual, its valid split sets the threshold, its test split is what should pass. Against it
stand pictures of the other datasets and copies of the test pictures: blurred, noisy, with shifted
hue, much compressed, underexposed. Both distances of the watch are measured: area under the ROC
curve, and the share flagged; beside them the share that the plain checks complain about.

Promised: 5 % false alarms within chance (a binomial interval on the test pictures holds it), and at
most 3 % of the run's time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from _common import Limit, alone, at_least, finish, parser, write_report
from _predictors import MODEL, export_ours
from _watching import METHODS, measure, table

SIZE = 416
SHARE = 0.03


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--bundle", type=Path, metavar="DIR", help="(YOLOv8n, COCO weights)")
    options.add_argument("--data", default="bccd", metavar="SRC", help="(bccd)")
    options.add_argument(
        "--others", nargs="+", default=["mask-wearing", "vehicles-openimages"], metavar="SRC"
    )
    options.add_argument("--pictures", type=int, default=100, metavar="N", help="of others (100)")
    options.add_argument("--threads", type=int, default=2, metavar="N", help="(2)")
    args = options.parse_args()
    at_least(args, pictures=1, threads=1)
    with tempfile.TemporaryDirectory(prefix="kit-benchmark-") as folder:
        bundle = args.bundle or alone(_coco, Path(folder) / "bundle")
        found = alone(measure, bundle, args.data, args.others, args.pictures, args.threads)
    return report(args, found)


def _coco(out: Path) -> Path:
    from kit.cards import ModelCard, load_card
    from kit.data.source import open_source
    from kit.weights import require

    weights = require(load_card(ModelCard, MODEL))
    return export_ours(weights, open_source("coco128").classes, SIZE, out)


def report(args: Any, found: dict[str, Any]) -> int:
    import statistics

    import numpy as np

    from kit.evaluate.proportions import wilson

    inside = np.array(found["groups"][args.data]["distances"][METHODS[0]])
    flagged = int((inside > found["thresholds"][METHODS[0]]).sum())
    interval = wilson(flagged, len(inside))
    assert interval is not None  # a test split without pictures was refused before
    run, look = (statistics.median(found[name]) for name in ("run_ns", "look_ns"))
    limits = [
        Limit("least share of false alarms in keeping with the test pictures", interval[0], 0.05),
        Limit("look / run", look / run, SHARE),
    ]
    return write_report(
        "watch",
        "Pictures unlike those of training",
        "How well the watch tells other kinds of pictures and spoilt ones from the test split's.",
        [table(found, args.data)],
        limits,
        found,
        threads=args.threads,
        out=args.out,
    )


if __name__ == "__main__":
    finish(main)
