"""What the winners' rule needs to know of speed: a model at a size, as ONNX, on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kit import door
from kit.bench.latency import Load, bench
from kit.bench.report import LatencyReport, load_reports, save_reports
from kit.bundle import open_bundle
from kit.data.source import open_source
from kit.errors import KitError
from kit.export.data import gate_pictures
from kit.export.export import export_onnx
from kit.parts import remove_directory
from kit.progress import SILENT, Progress
from kit.study.results import Finished

LATENCY = "latency"
_SECONDS = 10.0

Model = tuple[str, int]
"""Name of the card, and side of the input in pixels: weights and classes hardly change the time."""


def latencies(
    out: Path,
    finished: Sequence[Finished],
    *,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[dict[Model, LatencyReport], dict[Model, str]]:
    """Time one cell of each model and size, exported behind the gate, on its own test pictures.

    What was timed before is read back from ``out/latency``.

    Returns:
        The reports, and for those that couldn't be timed the reason.
    """
    first: dict[Model, Finished] = {}
    for each in finished:
        if each.result.cell.fold is None:  # whose dataset is as its card records it
            first.setdefault((each.result.cell.setting.model, each.result.size), each)
    known, unknown = dict[Model, LatencyReport](), dict[Model, str]()
    for key, each in progress.track(first.items(), "timing each model", len(first)):
        path = out / LATENCY / f"{Path(key[0]).stem}-{key[1]}.json"
        try:
            if not path.is_file():
                _time(each, path, device, threads, progress)
            [known[key]] = load_reports(path)
        except KitError as error:
            unknown[key] = str(error)
    return known, unknown


def _time(cell: Finished, path: Path, device: str, threads: int | None, progress: Progress) -> None:
    bundle, graph = open_bundle(cell.bundle), path.with_suffix("")
    remove_directory(graph)
    valid = gate_pictures(bundle, None, progress=progress)
    exported, _ = export_onnx(bundle, valid, graph, threads=threads, progress=progress)
    dataset = open_source(cell.result.cell.setting.dataset, progress=progress)
    detector = door.open(exported, device=device, threads=threads)
    timed = bench(
        [detector],
        exported,
        [dataset.path(int(index)) for index in dataset.split("test")],
        manifest_sha256=cell.result.test.manifest_sha256,
        threads=threads,
        bit_depth=dataset.bit_depth,
        ap50=cell.result.test.ap50,
        load=Load(seconds=_SECONDS),
        progress=progress,
    )
    save_reports(path, [timed])
