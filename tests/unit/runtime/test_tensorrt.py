"""The TensorRT backend against a double that has the names and signatures of 10.3 or of 11.4.

The double runs graphs for real, on the CPU; see tests/doubles. What only a GPU can show is in the
test marked `gpu`.
"""

from __future__ import annotations

import _thread
import gc
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles.cuda import Cuda
from doubles.machine import PAIRS, Gpu, forget, install
from doubles.strict import surface

from kit.bundle import Bundle, open_bundle, save_bundle
from kit.cards import cache_folder
from kit.errors import BundleError, GateRefused, OutOfMemory, RunFailed, UsageError
from kit.files import read_json, write_json
from kit.runtime.backends import Compiled, CompileOptions, load_backend
from kit.runtime.backends.tensorrt import builder, cuda

trt: Any = load_backend("tensorrt")
ort: Any = load_backend("onnxruntime")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    yield
    gc.collect()  # runners of the double go before the double does
    forget()


@pytest.fixture(params=PAIRS, ids=lambda pair: pair[0])
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Gpu:
    version, binding = request.param
    return install(monkeypatch, version, Cuda(binding))


def made(bundle: Bundle, **options: Any) -> Compiled:
    compiled: Compiled = trt.compile(bundle, CompileOptions(**{"largest_batch": 4, **options}))
    return compiled


def kept(bundle: Bundle, compiled: Compiled, where: Path) -> Bundle:
    """The engine's bundle, as `kit compile` writes it."""
    card = replace(
        bundle.card, kind="engine", weights=compiled.weights, files={}, max_batch=compiled.max_batch
    )
    return save_bundle(where, card, compiled.files)


def pictures(count: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_an_engine_says_what_the_graph_says(
    gpu: Gpu, bundle_at: Callable[..., Bundle], batch: int
) -> None:
    bundle = bundle_at()
    runner, graph = made(bundle).runner, ort.load(bundle, device="cpu")
    for _ in range(4):  # plainly, recorded, replayed, replayed
        images = pictures(batch)
        raw, expected = runner.run(images), graph.run(images)
        np.testing.assert_allclose(raw.boxes, expected.boxes, atol=1e-5)
        np.testing.assert_allclose(raw.scores, expected.scores, atol=1e-5)
        assert raw.features is None
    assert gpu.cuda.log.count(("launch",)) == 3
    assert runner.elsewhere == ()


def test_features_come_along(
    gpu: Gpu, bundle_at: Callable[..., Bundle], graph: Callable[..., bytes]
) -> None:
    raw = made(bundle_at(graph(features=True))).runner.run(pictures(2))
    assert raw.features is not None
    assert raw.features.shape == (2, 1)


def test_answers_stay_when_the_next_ones_come(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    runner = made(bundle_at()).runner
    first = runner.run(np.zeros((1, 64, 64, 3), np.uint8)).scores
    runner.run(np.full((1, 64, 64, 3), 255, np.uint8))
    assert first.tolist() == [[[0.0, 1.0]]]


def test_what_is_built_is_strongly_typed_without_tf32_and_can_be_inspected(
    gpu: Gpu, bundle_at: Callable[..., Bundle]
) -> None:
    made(bundle_at(), likely_batch=2, level=5, workspace_mb=64)
    strongly = surface(f"tensorrt-{'10.3' if '10.' in _version() else '11.4'}")["enums"][
        "NetworkDefinitionCreationFlag"
    ]["STRONGLY_TYPED"]
    assert gpu.seen.network_flags == 1 << strongly
    assert gpu.seen.flags == ["-TF32"]
    assert gpu.seen.config["WORKSPACE"] == 64 << 20
    assert gpu.seen.config["builder_optimization_level"] == 5
    assert gpu.seen.config["profiling_verbosity"].name == "DETAILED"
    assert gpu.seen.profile == {
        "images": ((1, 64, 64, 3), (2, 64, 64, 3), (4, 64, 64, 3))
    }  # smallest, likeliest, largest


def _version() -> str:
    return str(sys.modules["tensorrt"].__version__)


def test_a_graph_of_one_batch_needs_no_profile(
    gpu: Gpu, bundle_at: Callable[..., Bundle], graph: Callable[..., bytes]
) -> None:
    bundle = bundle_at(graph(batch=1), max_batch=1)
    compiled = made(bundle)
    assert gpu.seen.profile is None
    assert compiled.max_batch == 1
    engine = kept(bundle, compiled, bundle.directory.parent / "engine")
    assert trt.load(engine).run(pictures(1)).boxes.shape == (1, 1, 4)


def test_an_engine_is_loaded_where_it_was_built(
    gpu: Gpu, bundle_at: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = bundle_at()
    engine = kept(bundle, made(bundle), tmp_path / "engine")
    runner = trt.load(open_bundle(engine.directory), device="cuda:0")
    assert runner.provider == f"TensorRT {_version()}"
    assert runner.device == "Double GPU"
    card = read_json(engine.directory / "engine.json", "", error=BundleError)
    assert card["onnx_sha256"] == bundle.card.files["model.onnx"]
    assert card["engine_sha256"] == engine.card.files["model.engine"]
    assert card["batches"] == [1, 1, 4]
    assert card["machine"]["compute_capability"] == "8.7"
    assert card["machine"]["driver_cuda"] == "13.0"
    assert card["layers"] == {"int8": 0, "fp16": 0, "fp32": 2, "other": 0}


@pytest.mark.parametrize(
    "field",
    ["gpu", "compute_capability", "driver", "driver_cuda", "cuda", "tensorrt", "platform"],
)
def test_an_engine_of_another_machine_is_refused_with_the_command_that_makes_one(
    gpu: Gpu, bundle_at: Callable[..., Bundle], tmp_path: Path, field: str
) -> None:
    bundle = bundle_at()
    compiled = made(bundle)
    card = json.loads(compiled.files["engine.json"])
    card["machine"][field] = "another"
    other = Compiled(
        compiled.runner, compiled.max_batch, compiled.weights,
        {**compiled.files, "engine.json": json.dumps(card).encode()}, compiled.layers, 1.0,
    )  # fmt: skip
    engine = kept(bundle, other, tmp_path / "engine")
    with pytest.raises(BundleError) as refused:
        trt.load(engine)
    assert f"{field.replace('_', ' ')}: another" in str(refused.value)
    assert f"kit compile {bundle.directory} --backend tensorrt" in str(refused.value)


def test_an_engine_from_elsewhere_is_never_loaded(
    gpu: Gpu, bundle_at: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = bundle_at()
    engine = kept(bundle, made(bundle), tmp_path / "engine")
    for note in (cache_folder() / "engines").iterdir():
        note.unlink()
    with pytest.raises(BundleError, match="not built here"):
        trt.load(engine)
    directory = tmp_path / "bare"
    bare = kept(
        bundle, Compiled(None, 4, "model.engine", {"model.engine": b"x"}, {}, 1.0), directory
    )  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=r"has no engine\.json"):
        trt.load(bare)
    write_json(directory / "engine.json", {})  # of which the card knows nothing
    with pytest.raises(BundleError, match=r"has no engine\.json"):
        trt.load(open_bundle(directory))


def test_an_engine_that_tensorrt_does_not_take_says_why(
    gpu: Gpu, bundle_at: Callable[..., Bundle], tmp_path: Path
) -> None:
    bundle = bundle_at()
    engine = kept(bundle, made(bundle), tmp_path / "engine")
    gpu.faults.deserialize = "Serialization assertion failed"
    with pytest.raises(BundleError, match="Serialization assertion failed") as refused:
        trt.load(engine)
    assert "not to be told" not in str(refused.value)
    assert "kit compile" in str(refused.value)


def test_memory_is_given_back(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    room = gpu.cuda.room
    compiled = made(bundle_at())
    compiled.runner.run(pictures(1))
    assert gpu.cuda.held
    del compiled
    gc.collect()
    assert (gpu.cuda.room, gpu.cuda.held) == (room, 0)


def test_where_memory_is_shared_nothing_is_copied(
    monkeypatch: pytest.MonkeyPatch, bundle_at: Callable[..., Bundle]
) -> None:
    gpu = install(monkeypatch, "10.3", Cuda("12.9", integrated=True))
    bundle = bundle_at()
    runner = made(bundle).runner
    expected = ort.load(bundle, device="cpu").run(pictures(3))
    for _ in range(3):
        np.testing.assert_allclose(runner.run(pictures(3)).scores, expected.scores, atol=1e-5)
    assert {entry[0] for entry in gpu.cuda.log} == {"run", "launch"}


def test_stages_are_apart_only_when_asked(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    runner = made(bundle_at()).runner
    assert set(runner.run(pictures(1)).stages_ns) == {"run"}
    runner.staged = True
    assert set(runner.run(pictures(1)).stages_ns) == {"copy_in", "run", "copy_out"}
    copied = [entry for entry in gpu.cuda.log if entry[0] == "copy"]
    assert copied[:1] == [("copy", "in", 64 * 64 * 3)]  # the batch, not the whole buffer


def test_what_cannot_be_recorded_runs_plainly(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    bundle = bundle_at()
    gpu.cuda.records = False
    runner = made(bundle).runner
    expected = ort.load(bundle, device="cpu").run(pictures(1)).scores
    for _ in range(4):
        np.testing.assert_allclose(runner.run(pictures(1)).scores, expected, atol=1e-5)
    assert ("launch",) not in gpu.cuda.log


def test_another_batch_is_recorded_anew(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    bundle = bundle_at()
    runner, graph = made(bundle).runner, ort.load(bundle, device="cpu")
    for batch in (1, 1, 1, 3, 3, 1, 2):
        images = pictures(batch)
        np.testing.assert_allclose(runner.run(images).scores, graph.run(images).scores, atol=1e-5)
    runs = [entry[1] for entry in gpu.cuda.log if entry[0] == "run"]
    assert runs == [1, 1, 1, 3, 3, 1, 2]


def test_threads_take_turns(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    runner = made(bundle_at()).runner
    wrong: list[Any] = []

    def work(level: int) -> None:
        images = np.full((1, 64, 64, 3), level, np.uint8)
        for _ in range(30):
            score = runner.run(images).scores[0, 0, 0]
            if abs(score - level / 255) > 1e-4:
                wrong.append((level, score))

    threads = [threading.Thread(target=work, args=(level,)) for level in (0, 80, 160, 255)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_too_many_pictures_are_the_callers_mistake(
    gpu: Gpu, bundle_at: Callable[..., Bundle]
) -> None:
    with pytest.raises(ValueError, match="1 to 4 pictures, not 5"):
        made(bundle_at()).runner.run(pictures(5))


def test_a_lost_gpu_is_one_message(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    runner = made(bundle_at()).runner
    gpu.cuda.broken = "cudaErrorLaunchFailure"
    with pytest.raises(RunFailed, match="lost to this process") as failed:
        runner.run(pictures(1))
    assert "words for cudaErrorLaunchFailure" in str(failed.value)


def test_a_run_that_fails_says_what_tensorrt_says(
    gpu: Gpu, bundle_at: Callable[..., Bundle]
) -> None:
    runner = made(bundle_at()).runner
    gpu.faults.enqueue = "Cask no implementation"
    with pytest.raises(RunFailed, match="Cask no implementation"):
        runner.run(pictures(1))


def test_no_room_is_told_apart(gpu: Gpu, bundle_at: Callable[..., Bundle], tmp_path: Path) -> None:
    bundle = bundle_at()
    engine = kept(bundle, made(bundle), tmp_path / "engine")
    gc.collect()
    room, gpu.cuda.room = gpu.cuda.room, 100
    with pytest.raises(OutOfMemory, match="smaller batch"):
        trt.load(engine)
    gc.collect()
    assert gpu.cuda.held == 0  # what had been taken before is given back
    gpu.cuda.room, gpu.faults.context = room, True
    with pytest.raises(OutOfMemory, match="no room for the engine"):
        trt.load(engine)
    gpu.faults.context, gpu.faults.build = False, "Cuda Runtime (out of memory)"
    with pytest.raises(OutOfMemory, match="--workspace"):
        made(bundle)


def test_a_graph_that_is_not_read_names_its_node(
    gpu: Gpu, bundle_at: Callable[..., Bundle]
) -> None:
    bundle = bundle_at()
    gpu.faults.parse = "Unsupported cast"
    with pytest.raises(BundleError, match=r"\(Cast\): Unsupported cast"):
        made(bundle)


def test_a_build_that_fails_ends_with_its_log(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    gpu.faults.build = "Error Code 10: could not find any implementation"
    with pytest.raises(RunFailed, match="could not find any implementation"):
        made(bundle_at())
    assert not (cache_folder() / "engines").exists()


def test_a_build_heeds_ctrl_c(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    bundle = bundle_at()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is off

    def press(step: int) -> None:
        if step == 0:
            _thread.interrupt_main()
            time.sleep(0.6)

    gpu.faults.on_step = press
    try:
        with pytest.raises(KeyboardInterrupt):
            made(bundle)
    finally:
        signal.signal(signal.SIGINT, before)
    assert gpu.seen.steps == 1  # TensorRT was told at its first step
    assert not (cache_folder() / "engines").exists()


def test_timings_are_kept_for_the_next_build(gpu: Gpu, bundle_at: Callable[..., Bundle]) -> None:
    class Notes:
        def __init__(self) -> None:
            self.told: list[str] = []

        def note(self, text: str) -> None:
            self.told.append(text)

    notes: Any = Notes()
    bundle, options = bundle_at(), CompileOptions()
    trt.compile(bundle, options, progress=notes)
    (path,) = (cache_folder() / "tensorrt").iterdir()
    assert _version() in path.name
    assert path.read_bytes() == b"timed"
    trt.compile(bundle, options, progress=notes)
    assert path.read_bytes() == b"timedtimed"
    gpu.faults.cache = True
    trt.compile(bundle, options, progress=notes)
    assert path.read_bytes() == b"timed"
    assert any("another GPU" in text for text in notes.told)
    assert "Building: 3 steps" in notes.told


def test_an_engine_that_is_secretly_float32_is_refused(
    gpu: Gpu, bundle_at: Callable[..., Bundle]
) -> None:
    gpu.faults.silent_float32 = True
    with pytest.raises(GateRefused, match="the graph is fp16, but of the engine's layers"):
        made(bundle_at(precision="fp16"))
    assert not (cache_folder() / "engines").exists()


@pytest.mark.parametrize(
    ("counts", "asked", "passes"),
    [
        ((0, 0, 60, 5), "fp32", True),
        ((0, 1, 60, 5), "fp32", False),  # TF32 aside, nothing may be less
        ((0, 55, 10, 30), "fp16", True),
        ((0, 0, 65, 0), "fp16", False),
        ((0, 2, 63, 0), "fp16", False),
        ((40, 0, 60, 9), "int8", True),
        ((40, 60, 0, 9), "int8", True),
        ((3, 0, 60, 9), "int8", False),
        ((0, 0, 0, 60), "fp32", False),  # nothing is known of it
    ],
)
def test_precision_is_read_back(counts: Any, asked: Any, passes: bool) -> None:
    told = dict(zip(("int8", "fp16", "fp32", "other"), counts, strict=True))
    if passes:
        builder.require_precision(told, asked)
        return
    with pytest.raises(GateRefused):
        builder.require_precision(told, asked)


def test_no_gpu_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, bundle_at: Callable[..., Bundle]
) -> None:
    install(monkeypatch, "11.4", Cuda("13.5", devices=0))
    with pytest.raises(UsageError, match="no NVIDIA GPU can be used"):
        made(bundle_at())


@pytest.mark.parametrize(("device", "says"), [("cpu", "GPUs only"), ("cuda:3", "there is no GPU")])
def test_another_device_is_refused(
    gpu: Gpu, bundle_at: Callable[..., Bundle], device: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        trt.compile(bundle_at(), CompileOptions(), device=device)


@pytest.mark.parametrize("version", ["8.6.1", "10.2.0", "12.0.1"])
def test_unknown_versions_are_refused(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, bundle_at: Callable[..., Bundle], version: str
) -> None:
    monkeypatch.setattr(sys.modules["tensorrt"], "__version__", version)
    with pytest.raises(UsageError, match=f"TensorRT {version} is not among"):
        made(bundle_at())


@pytest.mark.parametrize("missing", ["tensorrt", "cuda.bindings"])
def test_without_the_packages_one_sentence_says_how(
    gpu: Gpu, monkeypatch: pytest.MonkeyPatch, bundle_at: Callable[..., Bundle], missing: str
) -> None:
    monkeypatch.setattr(trt, "find_spec", lambda name: None if name == missing else object())
    assert "on Jetson" in trt.available()
    with pytest.raises(UsageError, match="pip install"):
        trt.load(bundle_at())


# -- the double itself: what a version lacks must fail here too


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("BuilderFlag", "FP16"), ("BuilderFlag", "INT8"), ("BuilderFlag", "BF16"),
        ("BuilderFlag", "OBEY_PRECISION_CONSTRAINTS"), ("BuilderFlag", "REJECT_EMPTY_ALGORITHMS"),
        ("IBuilderConfig", "int8_calibrator"), ("IBuilderConfig", "set_calibration_profile"),
        ("IBuilderConfig", "algorithm_selector"), ("Builder", "platform_has_fast_fp16"),
        ("NetworkDefinitionCreationFlag", "EXPLICIT_BATCH"), ("ICudaEngine", "device_memory_size"),
    ],
)  # fmt: skip
def test_what_11_removed_is_not_in_its_list(owner: str, name: str) -> None:
    def listed(version: str) -> set[str]:
        told = surface(f"tensorrt-{version}")
        if owner in told["enums"]:
            return set(told["enums"][owner])
        kind = told["classes"][owner]
        return {*kind["methods"], *kind["reads"], *kind["writes"]}

    assert name in listed("10.3")
    assert name not in listed("11.4")


def test_the_double_takes_only_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "11.4", Cuda("13.5"))
    library: Any = sys.modules["tensorrt"]
    config = library.Builder(builder.log().logger).create_builder_config()
    with pytest.raises(AttributeError):
        library.BuilderFlag.FP16  # noqa: B018 - gone
    with pytest.raises(AttributeError, match="int8_calibrator"):
        config.int8_calibrator = object()
    with pytest.raises(AttributeError, match="not there in this version"):
        config.get_calibration_profile()
    with pytest.raises(TypeError, match="ignore_mismatch"):
        config.set_timing_cache(config.create_timing_cache(b""))
    with pytest.raises(TypeError, match="must be MemoryPoolType"):
        config.set_memory_pool_limit(1, 2)
    with pytest.raises(TypeError, match="must be int"):
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, 1.5)
    with pytest.raises(NotImplementedError):
        config.get_flag(library.BuilderFlag.TF32)


def test_the_lists_say_where_they_are_from() -> None:
    for version in ("10.3", "11.4"):
        origin = surface(f"tensorrt-{version}")["origin"]
        assert len(origin["commit"]) == 40
        assert "NVIDIA/TensorRT" in origin["sources"]
        assert version in origin["wheel"]


# -- the real thing


@pytest.mark.gpu
def test_on_a_gpu(bundle_at: Callable[..., Bundle], tmp_path: Path) -> None:
    if why_not := trt.available():
        pytest.skip(why_not)
    try:
        cuda.device(0)
    except (UsageError, RunFailed) as error:
        pytest.skip(str(error))
    bundle = bundle_at()
    compiled = made(bundle)
    assert compiled.layers["fp32"] + compiled.layers["other"]
    runner = trt.load(kept(bundle, compiled, tmp_path / "engine"))
    graph = ort.load(bundle, device="cpu")
    for batch in (1, 1, 1, 4, 2):
        images = pictures(batch)
        np.testing.assert_allclose(runner.run(images).scores, graph.run(images).scores, atol=1e-3)
    runner.staged = True
    assert set(runner.run(pictures(1)).stages_ns) == {"copy_in", "run", "copy_out"}
