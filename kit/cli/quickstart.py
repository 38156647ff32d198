"""Go the whole way on the embedded set: pictures to a measured ONNX detector, in a few minutes.

Draws blood smears, checks and splits them, samples, trains, evaluates, exports behind the parity
gate, evaluates the graph, times it, writes one HTML page, and the graph with its model card.
Nothing is needed but this package: no data, no GPU, no network. It starts from COCO weights where
they are at hand (KIT_WEIGHTS, the cache, or --download), else from random ones. It fails if the
detector learned too little.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_seed

if TYPE_CHECKING:
    from kit.cli.output import Output

MODEL, PICTURES = "yolov8n", 160
SAMPLES = 3  # pictures to try the page with
EPOCHS = {"coco": 12, "random": 40}
FLOOR = {"coco": 0.93, "random": 0.85}
"""Least test AP50, by start: under 0.95 of the lowest of five seeds, docs/results/quickstart.md."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--download", action="store_true", help="fetch the COCO weights first")
    parser.add_argument(
        "--out", type=Path, metavar="PATH", help="directory (default: runs/quickstart, numbered)"
    )
    add_seed(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit import door
    from kit.bench.latency import Load, bench
    from kit.binding import plain
    from kit.cli.live import Live
    from kit.data import formats, smear
    from kit.data.doctor import examine, usable
    from kit.data.sampling import Draw, sample
    from kit.data.source import open_source
    from kit.data.split import split
    from kit.errors import RunFailed
    from kit.evaluate.report import evaluate
    from kit.export.data import gate_pictures
    from kit.export.export import export_onnx
    from kit.files import free_path, new_directory, read_json, refuse_existing
    from kit.finetune.prepare import prepare
    from kit.finetune.train import train
    from kit.report.dossier import Dossier
    from kit.report.html import write_html
    from kit.report.model_card.tell import document
    from kit.report.plain_words import sentences
    from kit.report.story import Story, tell

    folder = args.out or free_path(Path("runs/quickstart"))
    refuse_existing(folder)
    start = _start(args.download, out)
    step = _Steps(out, 10)

    step(f"draw {PICTURES} blood smears")
    smear.make(folder / "drawn", pictures=PICTURES, seed=args.seed, progress=out)

    step("check and split them, slides kept whole")
    drawn = open_source(str(folder / "drawn"))
    apart = split(drawn, (0.6, 0.2, 0.2), group_by=smear.GROUPS, seed=args.seed, progress=out)
    with new_directory(folder / "smears") as beside:
        formats.load(drawn.format).write(apart, beside, out)
    source = str(folder / "smears")
    dataset = open_source(source)
    diagnosis = examine(dataset, group_by=smear.GROUPS, progress=out)
    diagnosis.require_sound(source)
    for warning in diagnosis.warnings:
        out.note(str(warning))

    step("sample three quarters of the training pictures, classes balanced")
    manifest = sample(dataset, Draw(fraction=0.75), seed=args.seed)
    manifest.save(folder / "sample.json")

    step(f"train {MODEL} from {start} weights, {EPOCHS[start]} epochs")
    job = prepare(
        MODEL,
        source,
        sample=folder / "sample.json",
        recipe="quickstart",
        start=start,
        seed=args.seed,
        epochs=EPOCHS[start],
        progress=out,
    )
    trained = train(job, folder / "run", progress=out, on_epoch=Live(out, job, folder / "run"))

    step("evaluate the checkpoint on test")
    before = evaluate(door.open(trained), trained, dataset, "test", progress=out)

    step("export to ONNX behind the parity gate")
    valid = gate_pictures(trained, None, progress=out)
    graph, parity = export_onnx(trained, valid, folder / "onnx", progress=out)

    step("evaluate the graph on test")
    detector = door.open(graph)
    after = evaluate(detector, graph, dataset, "test", progress=out, match_by="iou")

    step("time it, from file to boxes")
    timed = bench(
        [detector],
        graph,
        [dataset.path(int(index)) for index in dataset.split("test")],
        manifest_sha256=after.manifest_sha256,
        ap50=after.ap50,
        load=Load(seconds=10),
        null=door.open(graph, backend="null"),
        progress=out,
    )

    step("write the report")
    page = folder / "report.html"
    story = Story(
        dataset=usable(dataset),
        sample=manifest,
        history=read_json(folder / "run" / "history.json", "a learning curve", error=RunFailed),
        start=start,
        bundle=graph,
        detector=detector,
        trained=before,
        exported=after,
        latency=[timed],
        commands=_commands(folder, start, args.seed),
    )
    write_html(page, tell(story))

    step("write the model card, into a bundle that carries it")
    known = Dossier(evaluations=(after,), latencies=(timed,), same=graph.same)
    shown = [dataset.path(int(index)) for index in dataset.split("valid")[:SAMPLES]]
    documented = document(graph, known, folder / "documented", samples=shown)

    reached = after.ap50 or 0.0
    total = timed.stages["total"]
    median = "-" if total is None else f"{total.p50:.1f} ms"
    out.print(f"test AP50 {reached:.3f} (floor {FLOOR[start]}), median {median} a picture")
    out.print(sentences(after)[0].text)
    out.print(f"report: {page.resolve().as_uri()}")
    out.print(f"with its model card: {documented.directory}")
    if reached < FLOOR[start]:
        raise RunFailed(
            f"test AP50 {reached:.3f} is below {FLOOR[start]}: the detector learned too little",
            where=folder,
        )
    return {
        "out": str(folder),
        "report": str(page),
        "documented": str(documented.directory),
        "start": start,
        "floor": FLOOR[start],
        "checkpoint": plain(before),
        "onnx": plain(after),
        "parity": plain(parity),
        "bench": plain(timed),
    }


class _Steps:
    """Announces each step with its number."""

    def __init__(self, out: Output, count: int) -> None:
        self._out, self._count, self._done = out, count, 0

    def __call__(self, text: str) -> None:
        self._done += 1
        self._out.print(f"[{self._done}/{self._count}] {text}")


def _start(download: bool, out: Output) -> str:
    from kit.cards import ModelCard, load_card
    from kit.weights import locate, require

    card = load_card(ModelCard, MODEL)
    if download:
        require(card, allow_download=True, progress=out)
    if locate(card) is not None:
        out.print(f"starting from the COCO weights of {MODEL} ({card.licence})")
        return "coco"
    out.print(
        f"the COCO weights of {MODEL} are not here (KIT_WEIGHTS, the cache): starting at random. "
        "With `--download` they are fetched, and it learns faster and better."
    )
    return "random"


def _commands(folder: Path, start: str, seed: int) -> str:
    from shlex import quote

    from kit.data.smear import GROUPS

    drawn = quote(str(folder / "drawn"))
    return "\n".join(
        (
            f"kit data split {drawn} --fractions 0.6,0.2,0.2 --group-by '{GROUPS}' "
            f"--seed {seed} --out smears",
            f"kit data check smears --group-by '{GROUPS}'",
            f"kit sample smears --fraction 0.75 --balanced --seed {seed} --out sample.json",
            f"kit train {MODEL} smears --sample sample.json --recipe quickstart --start {start} "
            f"--epochs {EPOCHS[start]} --seed {seed} --out run",
            "kit evaluate run/best smears",
            "kit export run/best --precision fp32 --out onnx",
            "kit evaluate onnx smears --out evaluation.json",
            "kit bench onnx smears --out latency.json",
            "kit card onnx evaluation.json latency.json --out documented",
        )
    )
