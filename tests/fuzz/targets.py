"""Every parser of files that may come from elsewhere, with whole files to begin from.

A parser that is not listed here is not tried: whoever adds one adds a line. What it may answer to
any bytes at all is a result, or a :class:`kit.errors.KitError`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from fuzz import seeds

Parse = Callable[[bytes, Path], object]


@dataclass(frozen=True)
class Target:
    """A parser.

    Attributes:
        kind: of what its files are made, for mutations that keep more of them whole.
        seeds: whole files.
        parse: is given a file's bytes and an empty folder to put it in.
        needs: packages it is nothing without.
    """

    name: str
    kind: Literal["json", "text", "binary"]
    seeds: Callable[[], list[bytes]]
    parse: Parse
    needs: tuple[str, ...] = ()

    @property
    def own(self) -> bool:
        """Whether the kit takes the bytes apart itself: its lines say how far a file got."""
        return self.name in OWN


def _put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _picture(data: bytes, folder: Path) -> None:
    from kit.pixels import decode_picture, picture_size

    path = _put(folder, "a.png", data)
    size = picture_size(path)
    assert decode_picture(data, where=path).shape == (size[1], size[0], 3)


def _video(data: bytes, folder: Path) -> None:
    from contextlib import closing

    from kit.runtime.stream import Video

    with closing(Video(_put(folder, "a.mp4", data))) as video:
        for _ in itertools.islice(video, 8):
            pass


def _dataset(name: str, **others: bytes) -> Parse:
    """A folder in which one file is the one tried; the others are whole."""

    def parse(data: bytes, folder: Path) -> None:
        from kit.data.doctor import examine
        from kit.data.source import open_source

        for place, content in {**others, name: data}.items():
            _put(folder, place, content)
        examine(open_source(str(folder)))

    return parse


def _side(data: bytes, folder: Path) -> None:
    _dataset("kit.json", **{"images/a.png": seeds.picture(), "labels/a.txt": b"",
             "data.yaml": seeds.DATA_YAML})(data, folder)  # fmt: skip


def _card(kind: str) -> Parse:
    def parse(data: bytes, folder: Path) -> None:
        from kit import cards
        from kit.study.study import Study

        found: Any = Study if kind == "Study" else getattr(cards, kind)
        cards.load_card(found, str(_put(folder, "card.yaml", data)))

    return parse


def _repository(*names: str) -> Callable[[], list[bytes]]:
    root = Path(__file__).parents[2]
    return lambda: [
        path.read_bytes() for name in names for path in sorted((root / name).glob("*.yaml"))[:4]
    ]


def _file(module: str, function: str, name: str = "file") -> Parse:
    """A function, or a class's, that is given a path."""

    def parse(data: bytes, folder: Path) -> None:
        from importlib import import_module
        from operator import attrgetter

        attrgetter(function)(import_module(module))(_put(folder, name, data))

    return parse


def _bundle(data: bytes, folder: Path) -> None:
    from kit.bundle import open_bundle

    _put(folder, "w", b"nothing")
    _put(folder, "card.json", data)
    open_bundle(folder)


def _opened(folder: Path, **changes: Any) -> Any:
    """A bundle whose files are not checked again."""
    from doubles import reports

    from kit.binding import replace
    from kit.bundle import Bundle

    made = reports.bundle(folder / "bundle")
    return Bundle(made.directory, replace(made.card, **changes), made.sha256)


def _watch(data: bytes, folder: Path) -> None:
    from kit.runtime.watch import load_watch

    told = {"method": "mahalanobis", "threshold": 3.0, "alarms": 0.05, "usual": {}}
    bundle = _opened(folder, watch=told)
    _put(bundle.directory, "watch.npz", data)
    load_watch(bundle)


def _graph(data: bytes, folder: Path) -> None:
    from kit.runtime.plain_graph import read_graph

    read_graph(_put(folder, "model.onnx", data))


def _session(data: bytes, folder: Path) -> None:
    from kit.runtime.backends.onnxruntime import load

    bundle = _opened(folder, weights="model.onnx", boxes=1, classes=("bright", "dark"))
    _put(bundle.directory, "model.onnx", data)
    load(bundle, device="cpu", threads=1)


def _engine(data: bytes, folder: Path) -> None:
    from kit.runtime.backends.tensorrt.identity import Machine, require_fit

    bundle = _opened(folder, files={"engine.json": "0" * 64, "w": "0" * 64})
    _put(bundle.directory, "engine.json", data)
    require_fit(bundle, Machine(*seeds.MACHINE))


def _cells(data: bytes, folder: Path) -> None:
    from kit.study.results import load

    _put(folder, "result.json", data)
    load(folder)


def _cell_arrays(data: bytes, folder: Path) -> None:
    from types import SimpleNamespace

    from kit.study.results import Finished

    _put(folder, "test.npz", data)
    found = Finished(folder, SimpleNamespace())  # type: ignore[arg-type]
    found.resampled()
    found.found()


def _chain(data: bytes, folder: Path) -> None:
    from kit.app import chain

    chain.read_file(_put(folder, "audit.log", data))


def _feedback(data: bytes, folder: Path) -> None:
    from types import SimpleNamespace

    from kit.app.feedback import LISTS, Feedback

    for place in LISTS.values():
        _put(folder, place, data)
    served: Any = SimpleNamespace(bundle=_opened(folder / ".b", classes=("cell", "dust")), name="b")
    Feedback(folder, [served])


def _correction(data: bytes, folder: Path) -> None:
    from kit.app.feedback_routes import _correction as correction

    correction(data)


def _frame(data: bytes, folder: Path) -> None:
    from kit.app.frames import MOST_PIXELS, split
    from kit.errors import UsageError
    from kit.pixels import decode_picture

    try:
        _, picture = split(data)
    except ValueError as error:  # the caller says so, and hangs up
        raise UsageError(str(error)) from error
    decode_picture(picture, max_pixels=MOST_PIXELS)


def _archive(data: bytes, folder: Path) -> None:
    from kit.cards import DatasetCard
    from kit.data.fetch import Limits, unpack

    card = DatasetCard("set", "set", "yolo", ("cell", "dust"), "CC0", "nobody")
    archive = _put(folder, "archive", data)
    try:
        unpack(card, archive, folder / "to", limits=Limits(files=100, bytes=1 << 24, floor=1 << 22))
    finally:
        assert {path.name for path in folder.iterdir()} <= {"archive", "to"}


def _signature(data: bytes, folder: Path) -> None:
    from kit.signature import require_signature, sign

    bundle = _opened(folder)
    key = _put(folder, "private.pem", seeds.private_key())
    sign(bundle, key)
    _put(bundle.directory, "card.sig", data)
    require_signature(bundle, _put(folder, "public.pem", public_key()))


def public_key() -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(seeds.private_key(), None).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _private(data: bytes, folder: Path) -> None:
    from kit.signature import sign

    sign(_opened(folder), _put(folder, "private.pem", data))


def _public(data: bytes, folder: Path) -> None:
    from kit.signature import require_signature, sign

    bundle = _opened(folder)
    sign(bundle, _put(folder, "private.pem", seeds.private_key()))
    require_signature(bundle, _put(folder, "public.pem", data))


def _signed() -> list[bytes]:
    import tempfile

    from kit.signature import sign

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = _opened(folder)
        sign(bundle, _put(folder, "key", seeds.private_key()))
        return [(bundle.directory / "card.sig").read_bytes()]


def _parcel(data: bytes, folder: Path) -> None:
    from kit.parcel.unpack import unpack

    archive = _put(folder, "a.tar", data)
    try:
        unpack(archive, folder / "to")
    finally:
        assert {path.name for path in folder.iterdir()} <= {"a.tar", "to"}


def _parcels() -> list[bytes]:
    import tempfile

    from doubles.parcel import tiny_parcel

    with tempfile.TemporaryDirectory() as name:
        return [tiny_parcel(Path(name)).read_bytes()]


def _wheels() -> list[bytes]:
    import tempfile

    from doubles.wheel import make_wheel

    with tempfile.TemporaryDirectory() as name:
        return [make_wheel(Path(name), "alpha").read_bytes()]


def _run_state(data: bytes, folder: Path) -> None:
    from kit.finetune.state import STATE, load_state

    _put(folder, STATE, data)
    load_state(folder)


def _split_list(data: bytes, folder: Path) -> None:
    _dataset("train.txt", **{"images/a.png": seeds.picture(), "labels/a.txt": seeds.YOLO,
             "classes.txt": b"cell\ndust\n"})(data, folder)  # fmt: skip


PICTURE = {"images/a.png": seeds.picture(), "data.yaml": seeds.DATA_YAML}
VOC = {"JPEGImages/a.png": seeds.picture()}
REPORTS = "kit.report.dossier"


def _evaluation() -> list[bytes]:
    from doubles import reports

    return [seeds.saved(reports.evaluation("0" * 64))]


def _timing() -> list[bytes]:
    from doubles import reports

    return [seeds.saved([reports.timing("0" * 64)])]


TARGETS = (
    Target("picture", "binary", seeds.pictures, _picture),
    Target("video", "binary", lambda: list(seeds.videos()), _video),
    Target("yolo labels", "text", lambda: [seeds.YOLO], _dataset("labels/a.txt", **PICTURE)),
    Target("yolo data.yaml", "text", lambda: [seeds.DATA_YAML],
           _dataset("data.yaml", **{**PICTURE, "labels/a.txt": seeds.YOLO})),
    Target("yolo class names", "text", lambda: [b"cell\ndust\n"],
           _dataset("classes.txt", **{"images/a.png": seeds.picture(),
                    "labels/a.txt": seeds.YOLO})),
    Target("split list", "text", lambda: [b"images/a.png\n./images/a.png\n"], _split_list),
    Target("voc xml", "text", lambda: [seeds.VOC], _dataset("Annotations/a.xml", **VOC)),
    Target("coco json", "json", lambda: [seeds.COCO],
           _dataset("_annotations.coco.json", **{"a.png": seeds.picture()})),
    Target("side file", "json", lambda: [seeds.side()], _side),
    Target("class map", "text", lambda: [b"cell: thing\ndust: null\n"],
           _file("kit.data.convert", "ClassMap.load", "map.yaml")),
    Target("model card", "text", _repository("models"), _card("ModelCard")),
    Target("dataset card", "text", _repository("datasets"), _card("DatasetCard")),
    Target("recipe", "text", _repository("recipes"), _card("Recipe")),
    Target("study", "text", _repository("studies"), _card("Study")),
    Target("statements", "text", lambda: [seeds.STATEMENTS],
           _file("kit.report.statements", "read_statements", "s.yaml")),
    Target("manifest", "json", lambda: [seeds.manifest()],
           _file("kit.data.manifest", "Manifest.load")),
    Target("bundle card", "json",
           lambda: [seeds.card(), seeds.card(class_thresholds={"cell": 0.4})], _bundle),
    Target("watch", "binary", lambda: [seeds.watch(), seeds.watch(packed=True)], _watch),
    Target("onnx graph", "binary", lambda: [seeds.graph()], _graph, ("onnx", "onnxruntime")),
    Target("onnx session", "binary", lambda: [seeds.graph()], _session, ("onnx", "onnxruntime")),
    Target("engine card", "json", lambda: [seeds.engine()], _engine),
    Target("evaluation", "json", _evaluation, _file("kit.evaluate.report", "EvalReport.load")),
    Target("latency report", "json", _timing, _file("kit.bench.report", "load_reports")),
    Target("report", "json", lambda: [*_evaluation(), *_timing()], _file(REPORTS, "load")),
    Target("cell's result", "json", lambda: [b'{"cell": {}, "key": "x"}'], _cells, ("torch",)),
    Target("cell's arrays", "binary", lambda: [seeds.cell_arrays()], _cell_arrays, ("torch",)),
    Target("audit log", "text", lambda: [seeds.chain()], _chain),
    Target("feedback", "json", lambda: [seeds.COCO], _feedback),
    Target("correction", "json", lambda: [seeds.CORRECTION], _correction, ("gradio",)),
    Target("camera frame", "binary", lambda: [b"\1\0\0\0" + seeds.picture("JPEG")], _frame,
           ("gradio",)),
    Target("users", "text", lambda: [seeds.users()], _file("kit.app.passwords", "read_users")),
    Target("zip archive", "binary", lambda: [seeds.zipped(seeds.dataset())], _archive),
    Target("tar archive", "binary",
           lambda: [seeds.tarred(seeds.dataset()), seeds.tarred(seeds.dataset(), "w"),
                    seeds.tarred(seeds.dataset(), "w:xz")], _archive),
    Target("parcel", "binary", _parcels, _parcel, ("cyclonedx", "packaging")),
    Target("wheel", "binary", _wheels,
           _file("kit.supply.inventory", "read_wheel", "alpha-1.0-py3-none-any.whl")),
    Target("lock of packages", "text",
           lambda: [b"alpha==1.0 \\\n    --hash=sha256:" + b"0" * 64 + b"\n"],
           _file("kit.supply.lock", "read_lock", "edge.txt")),
    Target("signature", "json", _signed, _signature, ("cryptography",)),
    Target("private key", "text", lambda: [seeds.private_key()], _private, ("cryptography",)),
    Target("public key", "text", lambda: [public_key()], _public, ("cryptography",)),
    Target("checkpoint", "binary", lambda: [seeds.checkpoint(), seeds.checkpoint(zipped=False)],
           _file("kit.families.checkpoint", "read_checkpoint", "a.pt"), ("torch",)),
    Target("pickle of arrays", "binary", seeds.pickled,
           _file("kit.families.checkpoint", "read_pickle", "a.pkl"), ("torch",)),
    Target("tensors", "binary", lambda: [seeds.safetensors()],
           _file("kit.families.checkpoint", "read_tensors", "a.safetensors"), ("torch",)),
    Target("reference", "binary", lambda: [seeds.safetensors({"reference": '{"model": "m"}'})],
           _file("kit.finetune.distance", "Reference.load", "a.safetensors"), ("torch",)),
    Target("run's state", "binary", lambda: [seeds.checkpoint()], _run_state, ("torch",)),
)  # fmt: skip

OWN = {
    "yolo labels", "yolo data.yaml", "split list", "voc xml", "coco json", "class map", "recipe",
    "onnx graph", "audit log", "feedback", "users", "zip archive", "tar archive", "bundle card",
    "parcel", "wheel", "lock of packages",
}  # fmt: skip

BY_NAME = {target.name: target for target in TARGETS}
