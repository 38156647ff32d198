"""A process that keeps corrected pictures, or writes an audit log, as `kit serve` does.

    python _keeping.py pictures FOLDER COUNT
    python _keeping.py audit FILE COUNT

It goes on behind what is there, until COUNT are, and says so of each once it is on the disk.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.errors import KitError

if TYPE_CHECKING:
    from kit.app.looked import Looked
    from kit.app.shelf import Served

SIZE = 320, 240  # of the pictures, which take 230 kB each


def main() -> int:
    what, place, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    try:
        (pictures if what == "pictures" else audit)(place, count)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def pictures(folder: Path, count: int) -> None:
    """Keep pictures of noise, each with two boxes."""
    from kit.app.correction import Correction, Decision, settle
    from kit.app.feedback import Feedback

    by = served()
    feedback = Feedback(folder, [by])
    correction = Correction((Decision("accepted", 0), Decision("accepted", 1)))
    for number in range(listed(folder), count):
        look = looked(by, number)
        feedback.keep(look, correction, settle(look, correction))
        print(number + 1, flush=True)


def listed(folder: Path) -> int:
    """How many pictures the dataset has."""
    lists = folder.glob("annotations/instances_*.json")
    return sum(len(json.loads(path.read_bytes())["images"]) for path in lists)


def audit(path: Path, count: int) -> None:
    """Write lines of a log."""
    from kit.app.audit import AuditLog

    log = AuditLog(path)
    lines = path.read_bytes().count(b"\n")
    for number in range(lines, count):
        log.write("look", picture_sha256=f"{number:064x}")
        print(number + 1, flush=True)
    log.close()


def served() -> Served:
    """A detector that always finds the same."""
    from kit.app.shelf import Served
    from kit.bundle import Bundle, BundleCard
    from kit.cards import Input

    card = BundleCard(
        "fixed", "onnx", "none", "fixed", "fixed", "Apache-2.0", ("cell",), Input(64), None,
        "model.onnx", {},
    )  # fmt: skip
    nothing: Any = None
    return Served("fixed", Bundle(Path("fixed"), card, "c" * 64), nothing, ThreadPoolExecutor(1))


def looked(by: Served, number: int) -> Looked:
    """A picture that looks like no other, with two boxes."""
    import numpy as np

    from kit.app.looked import Looked
    from kit.types import Detections, Result

    noise = np.random.default_rng(number).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    boxes = np.array([[10.0, 10, 50, 40], [60, 20, 90, 80]])
    found = Detections(boxes, np.array([0.9, 0.6], np.float32), np.zeros(2, np.int64))
    return Looked(f"id{number}", by, noise, f"{number:064x}", Result(found, {}), {})


if __name__ == "__main__":
    sys.exit(main())
