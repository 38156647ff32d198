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
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import Limit, alone, at_least, finish, parser, write_report
from _predictors import MODEL, export_ours

if TYPE_CHECKING:
    from kit.report.page import Cell
    from kit.types import Picture

METHODS = ("mahalanobis", "neighbours")
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


def spoilt() -> dict[str, Callable[[Picture], Picture]]:
    """Ways to spoil a picture; each gives the same for the same picture."""
    import cv2
    import numpy as np

    def noisy(picture: Picture) -> Picture:
        drawn = np.random.default_rng(0).normal(0, 25, picture.shape)
        return np.clip(picture + drawn, 0, 255).astype(np.uint8)

    def hue(picture: Picture) -> Picture:
        turned = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
        turned[..., 0] = (turned[..., 0].astype(int) + 20) % 180
        return np.asarray(cv2.cvtColor(turned, cv2.COLOR_HSV2BGR), np.uint8)

    def compressed(picture: Picture) -> Picture:
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 8])[1]
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)

    return {
        "blurred, sigma 4": lambda p: np.asarray(cv2.GaussianBlur(p, (0, 0), 4), np.uint8),
        "noise, sigma 25": noisy,
        "hue turned by 40 degrees": hue,
        "JPEG, quality 8": compressed,
        "underexposed, 40 %": lambda p: (p * 0.4).astype(np.uint8),
    }


def measure(
    bundle: Path, source: str, others: Sequence[str], pictures: int, threads: int
) -> dict[str, Any]:
    """Distances, complaints and times."""
    import numpy as np

    from kit import door
    from kit.data.source import open_source
    from kit.evaluate.watch import fit, looks
    from kit.pixels import read_picture

    detector: Any = door.open(bundle, device="cpu", threads=threads)
    dataset = open_source(source)
    splits = {
        name: dataset.take(dataset.manifest(dataset.split(name), rule=f"the {name} split"))
        for name in ("train", "valid", "test")
    }
    train, valid = (looks(detector, splits[name]) for name in ("train", "valid"))
    watches = {method: fit(train, valid, method=method) for method in METHODS}  # type: ignore[arg-type]
    test = [read_picture(example.path) for example in splits["test"]]
    groups: dict[str, list[Any]] = {source: test}
    for name in others:
        other = open_source(name)
        chosen = np.random.default_rng(0).permutation(len(other))[:pictures]
        groups[name] = [read_picture(other.path(int(index))) for index in chosen]
    for name, spoil in spoilt().items():
        groups[name] = [spoil(picture) for picture in test]
    found: dict[str, Any] = {"run_ns": [], "look_ns": [], "groups": {}}
    for name, group in groups.items():
        distances: dict[str, list[float]] = {method: [] for method in METHODS}
        complained = 0
        for picture in group:
            result = detector.detect([picture])[0]
            for method, watch in watches.items():
                start = time.perf_counter_ns()
                seen = watch.look(picture, result.features)
                if method == METHODS[0]:
                    found["look_ns"].append(time.perf_counter_ns() - start)
                distances[method].append(seen.distance)
            complained += bool(seen.complaints)
            found["run_ns"].append(result.stages_ns["run"])
        found["groups"][name] = {"distances": distances, "complained": complained}
    found["thresholds"] = {method: watch.threshold for method, watch in watches.items()}
    found["alarms"] = {method: watch.alarms for method, watch in watches.items()}
    found["fitted_on"] = {"train": len(train.features), "valid": len(valid.features)}
    return found


def report(args: Any, found: dict[str, Any]) -> int:
    import statistics

    import numpy as np

    from kit.evaluate.watch import auroc
    from kit.report.page import Table

    inside = found["groups"][args.data]["distances"]
    rows: list[list[Cell]] = []
    for name, group in found["groups"].items():
        count = len(group["distances"][METHODS[0]])
        cells: list[Cell] = [name, count]
        for method in METHODS:
            values = np.array(group["distances"][method])
            own = name == args.data
            cells.append(None if own else auroc(np.array(inside[method]), values))
            cells.append(float((values > found["thresholds"][method]).mean()))
        rows.append([*cells, group["complained"] / count])
    run, look = (statistics.median(found[name]) for name in ("run_ns", "look_ns"))
    flagged = int((np.array(inside[METHODS[0]]) > found["thresholds"][METHODS[0]]).sum())
    low, _ = _binomial(flagged, len(inside[METHODS[0]]))
    limits = [
        Limit("least share of false alarms in keeping with the test pictures", low, 0.05),
        Limit("look / run", look / run, SHARE),
    ]
    columns = (
        "pictures", "n", "Mahalanobis AUROC", "flagged", "neighbours AUROC", "flagged",
        "plain checks complain",
    )  # fmt: skip
    fitted = found["fitted_on"]
    note = (
        f"Fitted on {fitted['train']} train and {fitted['valid']} valid pictures of {args.data}; "
        f"false alarms measured on valid alone, over halves: "
        + ", ".join(f"{name} {share:.3f}" for name, share in found["alarms"].items())
        + f". A look takes {look / 1e6:.2f} ms, a run {run / 1e6:.1f} ms."
    )
    return write_report(
        "watch",
        "Pictures unlike those of training",
        "How well the watch tells other kinds of pictures and spoilt ones from the test split's.",
        [Table("Told apart", columns, rows, note=note)],
        limits,
        found,
        threads=args.threads,
        out=args.out,
    )


def _binomial(successes: int, trials: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share (Wilson, 1927)."""
    z, share = 1.96, successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * (share * (1 - share) / trials + (z / 2 / trials) ** 2) ** 0.5
    return middle - half, middle + half


if __name__ == "__main__":
    finish(main)
