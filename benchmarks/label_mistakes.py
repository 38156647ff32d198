"""Planted label mistakes that `kit data check --bundle` finds, beside a random order.

A share of the labels of one split is spoilt: boxes are dropped, classes swapped, boxes shifted or
scaled to an overlap of about 0.3 to 0.65 with what they were. The detector looks at the pictures
once; its ranking is then held against what was planted, of each kind and of all together. At k of
the list, precision is the share of planted mistakes among the first k, recall the share of the
planted that is among them. Random is the mean over all orders of the same list, which is what
looking through a detector's disagreements without scores would bring.

Mistakes that were in the labels before count as false here, so precision is rather too low. The
detector must not have been trained on the split, or it is another, easier or harder, question.

Any bundle and dataset of the same classes will do; BCCD needs KIT_DATA.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean

from _common import Limit, at_least, finish, parser, write_report
from _planting import POOLED, look, rank, table

PROMISED = 0.5
"""Random precision over the ranking's, at as many as were planted."""


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--bundle", type=Path, required=True, help="trained on the dataset's train")
    made.add_argument("--data", default="bccd", metavar="SRC")
    made.add_argument("--split", default="valid")
    made.add_argument("--share", type=float, default=0.05, help="of labels, for each kind (0.05)")
    made.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    made.add_argument("--threads", type=int, default=1)
    args = made.parse_args()
    at_least(args, threads=1)

    from kit import door
    from kit.bundle import open_bundle
    from kit.data.doctor import usable
    from kit.data.source import open_source
    from kit.errors import UsageError
    from kit.evaluate.report import require_classes

    if not 0 < args.share <= 0.3:
        raise UsageError(f"must be above 0 and at most 0.3, it is {args.share}", where="--share")
    bundle = open_bundle(args.bundle)
    dataset = usable(open_source(args.data))
    require_classes(bundle.card.classes, dataset)
    sound = dataset.select(dataset.split(args.split))
    seen = look(door.open(bundle, threads=args.threads), sound)
    runs = {seed: rank(sound, seen, args.share, seed) for seed in args.seeds}
    note = (
        f"{bundle.card.name} on {len(sound)} picture(s) of {dataset.name} {args.split} with "
        f"{len(sound.boxes)} labels; means over {len(runs)} seeds."
    )
    as_many = [run[POOLED]["at"][1] for run in runs.values()]
    chance = mean(one["random"] for one in as_many)
    ratio = chance / max(mean(one["precision"] for one in as_many), 1e-9)
    return write_report(
        "label-mistakes" if dataset.name == "bccd" else f"label-mistakes-{dataset.name}",
        "Label mistakes",
        "What `kit data check --bundle` finds of mistakes that were planted.",
        [table(runs, note)],
        [Limit("precision at as many as planted, random over ranked", ratio, PROMISED)],
        {
            "bundle": bundle.card.name,
            "bundle_sha256": bundle.sha256,
            "data": dataset.name,
            "split": args.split,
            "share": args.share,
            "runs": {str(seed): run for seed, run in runs.items()},
        },
        threads=args.threads,
        out=args.out,
    )


if __name__ == "__main__":
    finish(main)
