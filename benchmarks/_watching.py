"""What the watch makes of pictures of other kinds and of spoilt ones: measured, and as a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.report.page import Cell, Table
    from kit.types import Picture

METHODS = ("mahalanobis", "neighbours")


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


def table(found: Mapping[str, Any], source: str) -> Table:
    """What :func:`measure` found, group by group; ``source`` names what should pass."""
    import statistics

    import numpy as np

    from kit.evaluate.watch import auroc
    from kit.report.page import Table

    inside = found["groups"][source]["distances"]
    rows: list[list[Cell]] = []
    for name, group in found["groups"].items():
        count = len(group["distances"][METHODS[0]])
        cells: list[Cell] = [name, count]
        for method in METHODS:
            values = np.array(group["distances"][method])
            own = name == source
            cells.append(None if own else auroc(np.array(inside[method]), values))
            cells.append(float((values > found["thresholds"][method]).mean()))
        rows.append([*cells, group["complained"] / count])
    run, look = (statistics.median(found[name]) for name in ("run_ns", "look_ns"))
    columns = (
        "pictures", "n", "Mahalanobis AUROC", "flagged", "neighbours AUROC", "flagged",
        "plain checks complain",
    )  # fmt: skip
    fitted = found["fitted_on"]
    note = (
        "AUROC is the chance that such a picture lies farther from those of training than one of "
        "the test split, flagged the share that is said to be unlike. "
        f"Fitted on {fitted['train']} train and {fitted['valid']} valid pictures of {source}; "
        f"false alarms measured on valid alone, over halves: "
        + ", ".join(f"{name} {share:.3f}" for name, share in found["alarms"].items())
        + f". A look takes {look / 1e6:.2f} ms, a run {run / 1e6:.1f} ms."
    )
    return Table("Pictures unlike those of training", columns, rows, note=note)
