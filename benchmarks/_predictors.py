"""The detectors that vendor_predict.py compares: how each is exported, opened and run.

Every function runs in a process of its own, and imports what it needs there.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from _side import Opened
from _vendor import open_vendor, set_threads

MODEL, OPSET, FLOOR, IOU = "yolov8n", 17, 0.25, 0.7


def export_ours(weights: Path, classes: tuple[str, ...], size: int, out: Path) -> Path:
    """A bundle of the vendor's checkpoint."""
    from kit import __version__
    from kit.binding import replace
    from kit.bundle import BundleCard, save_bundle
    from kit.cards import ModelCard, load_card
    from kit.export.graph import write_graph
    from kit.families import load_family
    from kit.finetune.start import load_start

    card = load_card(ModelCard, MODEL)
    family = load_family(card.family)
    network = family.build(card.architecture, card.classes, card.classes)
    load_start(family, network, weights, "coco")
    written = write_graph(family.graph(network, size), size=size, classes=card.classes, metadata={})
    card = replace(card, input=type(card.input)(size, card.input.fit, card.input.fill))
    bundle = BundleCard(
        name=f"{MODEL}-coco",
        kind="onnx",
        family=card.family,
        model=card.name,
        architecture=card.architecture,
        licence=card.licence,
        classes=classes,
        input=card.input,
        suppress=card.suppress,
        weights="model.onnx",
        files={},
        operating_point=FLOOR,
        made_by=f"detector-kit {__version__}",
    )
    return save_bundle(out, bundle, {"model.onnx": written.model.SerializeToString()}).directory


def export_vendor(weights: Path, size: int, out: Path, dynamic: bool = False) -> Path:
    """The vendor's ONNX, by its own export; ``dynamic`` lets its batch have any size."""
    ultralytics = open_vendor(out, None)
    beside = out / "vendor.pt"  # it writes beside its input
    shutil.copyfile(weights, beside)
    model = ultralytics.YOLO(str(beside))
    options = {"imgsz": size, "opset": OPSET, "simplify": False, "dynamic": dynamic}
    return Path(model.export(format="onnx", device="cpu", **options))


def open_ours(bundle: Path, threads: int) -> Opened:
    from kit import door
    from kit.pixels import read_picture

    detector = door.open(bundle, device="cpu", threads=threads)
    return Opened(
        run=lambda path: detector.detect([read_picture(path)]),
        boxes=lambda answer: answer[0].detections,
        facts=lambda: _facts(detector.runner.provider, threads),
    )


def open_vendors(onnx: Path, size: int, threads: int | None, folder: Path) -> Opened:
    ultralytics = open_vendor(folder, threads)
    import numpy as np

    from kit.types import Detections

    if threads is not None:
        set_session_threads(threads)
    model = ultralytics.YOLO(str(onnx), task="detect")

    def run(path: Path) -> Any:
        return model.predict(
            str(path),
            imgsz=size,
            rect=False,
            conf=FLOOR,
            iou=IOU,
            verbose=False,
            save=False,
            device="cpu",
        )

    def boxes(answer: Any) -> Detections:
        found = answer[0].boxes.cpu().numpy()
        return Detections(found.xyxy, found.conf, found.cls.astype(np.int64))

    def facts() -> dict[str, Any]:
        session = model.predictor.model.session
        asked = session.get_session_options().intra_op_num_threads
        return _facts(session.get_providers()[0], asked)

    run(_first_picture(folder))
    set_threads(threads)  # the vendor chose its own with its device, in the first run
    return Opened(run, boxes, facts)


def open_bare(onnx: Path, size: int, threads: int) -> Opened:
    import numpy as np
    import onnxruntime

    from kit.types import Detections

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(onnx), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    array = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    return Opened(
        run=lambda _path: session.run(None, {name: array}),
        boxes=lambda _answer: Detections.empty(),
        facts=lambda: _facts(session.get_providers()[0], threads),
    )


def set_session_threads(threads: int) -> None:
    """The vendor makes its sessions without options: give them."""
    import onnxruntime

    make = onnxruntime.InferenceSession

    def limited(model: Any, options: Any = None, **rest: Any) -> Any:
        options = options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        return make(model, options, **rest)

    onnxruntime.InferenceSession = limited


def _first_picture(folder: Path) -> Path:
    import numpy as np
    from PIL import Image

    path = folder / "grey.jpg"
    Image.fromarray(np.full((64, 64, 3), 114, np.uint8)).save(path)
    return path


def _facts(provider: str, session_threads: int) -> dict[str, Any]:
    torch = sys.modules.get("torch")
    return {
        "provider": provider,
        "session_threads": session_threads,
        "torch_threads": torch.get_num_threads() if torch else None,
    }
