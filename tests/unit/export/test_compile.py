"""An engine goes through the same gate as an export. The GPU is a double; see tests/doubles."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from doubles.cuda import Cuda
from doubles.machine import PAIRS, Gpu, forget, install

from kit import door
from kit.bundle import Bundle, open_bundle, save_bundle
from kit.cli.root import main
from kit.errors import BundleError, GateRefused, RunFailed, UsageError
from kit.evaluate.watch import Looks, fit
from kit.export.compile import compile_bundle, compilers
from kit.export.data import gate_pictures
from kit.export.parity import Tolerance
from kit.report.dossier import read_dossier
from kit.report.model_card.tell import document
from kit.runtime.backends import CompileOptions
from kit.runtime.quality import quality
from kit.runtime.watch import FILE, facts, pack


@pytest.fixture(params=PAIRS, ids=lambda pair: pair[0])
def gpu(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Gpu]:
    version, binding = request.param
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    yield install(monkeypatch, version, Cuda(binding))
    gc.collect()  # engines of the double go before the double does
    forget()


def compiled(bundle: Bundle, out: Path, tolerance: Tolerance | None = None) -> Bundle:
    gate = gate_pictures(bundle, None)
    options = CompileOptions(largest_batch=3)
    made, _ = compile_bundle(bundle, gate, out, options=options, tolerance=tolerance, threads=2)
    return made


def test_the_engine_is_a_bundle_like_any(gpu: Gpu, exported: Bundle, tmp_path: Path) -> None:
    made = compiled(exported, tmp_path / "engine")
    card = open_bundle(made.directory).card
    assert (card.kind, card.backends, card.max_batch) == ("engine", ("tensorrt",), 3)
    assert card.parent == exported.sha256
    assert card.conversion["layers"]["fp32"] > 20
    assert card.conversion["build_s"] >= 0
    assert card.reports["parity"]["manifest"] == exported.card.manifests["valid"]
    detector = door.open(made)
    assert detector.backend == "tensorrt"
    images = [np.random.default_rng(7).integers(0, 256, (50, 90, 3), np.uint8)] * 5
    results = detector.detect(images, floor=0.05)
    expected = door.open(exported).detect(images, floor=0.05)
    for one, other in zip(results, expected, strict=True):  # in batches of three and of two
        np.testing.assert_allclose(one.detections.xyxy, other.detections.xyxy, atol=0.01)


def test_documents_of_the_graph_are_left_behind(gpu: Gpu, exported: Bundle, tmp_path: Path) -> None:
    told = document(exported, read_dossier(exported), tmp_path / "told")
    engine = compiled(told, tmp_path / "engine")
    assert engine.card.documents is None
    assert not {*engine.card.files} & {*told.card.files} - {*exported.card.files}
    assert engine.made_from == told.sha256


def test_every_precision_keeps_its_own(gpu: Gpu, lesser: Bundle, tmp_path: Path) -> None:
    made = compiled(lesser, tmp_path / "engine")
    layers = made.card.conversion["layers"]
    assert made.card.precision == lesser.card.precision
    assert layers[lesser.card.precision] > 20
    # how the graph came to its precision is not forgotten
    assert set(lesser.card.conversion) < set(made.card.conversion)


def test_the_watch_goes_on_into_the_engine(gpu: Gpu, exported: Bundle, tmp_path: Path) -> None:
    side = exported.card.input.size
    drawn = np.random.default_rng(0).integers(0, 256, (60, side, side, 3), np.uint8)
    seen = np.stack([r.features for r in door.open(exported).detect(list(drawn))])  # type: ignore[misc]
    plain = [quality(drawn[0])]
    watch = fit(Looks(seen[:30], plain), Looks(seen[30:], plain), method="neighbours")
    card = replace(exported.card, watch=facts(watch))
    files = {card.weights: exported.weights, FILE: pack(watch)}
    watching = save_bundle(tmp_path / "watching", card, files)
    made = compiled(watching, tmp_path / "engine")
    assert made.card.watch == card.watch
    [one] = door.open(made).detect([drawn[0]])
    [other] = door.open(watching).detect([drawn[0]])
    assert one.watched is not None
    assert other.watched is not None
    assert one.watched.distance == pytest.approx(other.watched.distance, abs=1e-3)


def test_a_silent_float32_engine_is_refused(gpu: Gpu, lesser: Bundle, tmp_path: Path) -> None:
    gpu.faults.silent_float32 = True
    with pytest.raises(GateRefused, match="in fp32"):
        compiled(lesser, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


def test_an_engine_that_differs_is_not_written(
    gpu: Gpu, exported: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = onnx.load_from_string

    def worse(content: bytes) -> onnx.ModelProto:
        model = real(content)
        for weight in model.graph.initializer:
            values = onnx.numpy_helper.to_array(weight)
            if values.ndim == 4:
                weight.CopyFrom(onnx.numpy_helper.from_array(-2 * values, weight.name))
        return model

    monkeypatch.setattr("doubles.tensorrt.onnx.load_from_string", worse)
    with pytest.raises(GateRefused):
        compiled(exported, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


def test_a_gpu_that_goes_away_leaves_nothing(gpu: Gpu, exported: Bundle, tmp_path: Path) -> None:
    gpu.cuda.broken = "cudaErrorLaunchFailure"
    with pytest.raises((RunFailed, GateRefused)):
        compiled(exported, tmp_path / "engine")
    assert not (tmp_path / "engine").exists()


def test_only_onnx_is_compiled_and_only_by_what_compiles(
    gpu: Gpu, exported: Bundle, checkpoint: Bundle, tmp_path: Path
) -> None:
    assert compilers() == ["tensorrt"]
    gate = gate_pictures(exported, None)
    with pytest.raises(UsageError, match="compiles nothing"):
        compile_bundle(exported, gate, tmp_path / "a", backend="onnxruntime")
    with pytest.raises(BundleError, match="kit export"):
        compile_bundle(checkpoint, gate, tmp_path / "a")
    engine = compiled(exported, tmp_path / "engine")
    with pytest.raises(BundleError, match="kind is engine"):
        compile_bundle(engine, gate, tmp_path / "a")


def test_the_command(
    gpu: Gpu, exported: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, told = tmp_path / "engine", tmp_path / "told.json"
    words = [str(exported.directory), "--out", str(out), "--json", str(told), "--max-batch", "2"]
    assert main(["compile", *words]) == 0
    printed = capsys.readouterr().out
    assert "up to 2 pictures at once" in printed
    assert exported.card.licence in printed
    result = json.loads(told.read_text())
    assert result["bundle_sha256"] == open_bundle(out).sha256
    assert result["max_batch"] == 2
    assert main(["compile", *words]) == 2  # it is there already
    gpu.faults.build = "Error Code 4"
    assert main(["compile", str(exported.directory), "--out", str(tmp_path / "b")]) == 1
    assert "Error Code 4" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_without_tensorrt_the_command_says_how_to_get_it(
    exported: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("kit.runtime.backends.tensorrt.find_spec", lambda _: None)
    assert main(["compile", str(exported.directory), "--out", str(tmp_path / "a")]) == 2
    told = capsys.readouterr().err
    assert "TensorRT is not installed" in told
    assert "pip install 'detector-kit[tensorrt]'" in told
