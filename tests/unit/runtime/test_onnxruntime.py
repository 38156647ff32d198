"""The ONNX Runtime backend: what it runs, and all that it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from kit.bundle import Bundle
from kit.errors import BundleError, MissingPackage, RunFailed, UsageError
from kit.runtime.backends import load_backend

onnxruntime = pytest.importorskip("onnxruntime")

Make = Callable[..., Bundle]
backend: Any = load_backend("onnxruntime")


def grey(value: int, batch: int = 1, size: int = 64) -> np.ndarray:
    return np.full((batch, size, size, 3), value, np.uint8)


def test_runs_a_graph(bundle_at: Make, graph: Callable[..., bytes]) -> None:
    runner = backend.load(bundle_at(graph(features=True)), device="cpu", threads=1)
    raw = runner.run(grey(51, batch=2))
    np.testing.assert_array_equal(raw.boxes, np.full((2, 1, 4), [0, 0, 64, 64]))
    np.testing.assert_allclose(raw.scores, np.full((2, 1, 2), [0.2, 0.8]), rtol=1e-6)
    np.testing.assert_allclose(raw.features, [[51], [51]])
    assert runner.provider == "CPUExecutionProvider"
    assert runner.device
    assert set(raw.stages_ns) == {"run"}


def test_bound_runner_answers_the_same(bundle_at: Make) -> None:
    """The path a GPU takes, with the CPU as the device whose memory is bound."""
    runner = backend.load(bundle_at(), device="cpu", threads=1)
    bound = backend.BoundRunner(runner._session, runner._outputs, "CPU", "a device", (), ("cpu", 0))
    sizes = [(51, 1), (102, 1), (204, 3), (255, 1), (9, 2), (8, 4), (7, 5), (6, 6), (5, 1), (4, 5)]
    for place, (value, batch) in enumerate(sizes):
        bound.staged = bool(place % 2)  # while the batch grows and shrinks
        ours, theirs = bound.run(grey(value, batch)), runner.run(grey(value, batch))
        np.testing.assert_array_equal(ours.boxes, theirs.boxes)
        np.testing.assert_array_equal(ours.scores, theirs.scores)
        stages = {"copy_in", "run", "copy_out"} if bound.staged else {"run"}
        assert set(ours.stages_ns) == stages
    recorded = {size for size, each in bound._bound.items() if each.recorded}
    assert recorded == {1, 2, 3, 4}  # what comes after shares one piece of memory
    assert set(bound._bound) == {*recorded, 5}


def test_graphs_are_recorded_only_where_the_session_may(
    bundle_at: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, asked = bundle_at(), []
    cpu = onnxruntime.InferenceSession(bundle.weights.read_bytes())

    def session(model: bytes, options: Any, *, providers: Any, disabled_optimizers: Any) -> Any:
        asked.append("enable_cuda_graph" in providers[0][1])
        if asked[-1]:
            raise RuntimeError(
                "This session cannot use the graph capture feature as requested by "
                "the user as all compute graph nodes have not been partitioned"
            )
        return cpu

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    with pytest.raises(UsageError, match="fell back to CPUExecutionProvider"):
        backend.start(bundle, "CUDAExecutionProvider", 0, 1)
    assert asked == [True, False]


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"input_name": "x"}, "inputs"),
        ({"names": ("boxes", "logits")}, "no output scores"),
        ({"size": 32}, "64, 64, 3"),
        ({"batch": 4}, "batches of 4 only"),
        ({"metadata": {"classes": '["dark", "bright"]'}}, "classes"),
        ({"metadata": {"classes": "not json"}}, "classes"),
        ({"external": "model.onnx"}, "outside itself"),
        ({"external": "../secret"}, "outside itself"),
        ({"domain": "evil"}, "operators"),
    ],
)
def test_refuses_a_graph(
    bundle_at: Make, graph: Callable[..., bytes], how: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(BundleError, match=complaint):
        backend.load(bundle_at(graph(**how)), device="cpu")


def test_refuses_what_is_no_graph(bundle_at: Make, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BundleError, match="not an ONNX graph"):
        backend.load(bundle_at(b"nonsense"), device="cpu")
    assert capfd.readouterr().err == ""  # the message is told once, by us


def test_external_data_is_refused_from_the_working_directory_too(
    bundle_at: Make,
    graph: Callable[..., bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "box.bin").write_bytes(np.zeros(4, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="outside itself"):
        backend.load(bundle_at(graph(external="box.bin")), device="cpu")


def test_a_static_batch_of_one_goes_with_a_card_that_says_so(
    bundle_at: Make, graph: Callable[..., bytes]
) -> None:
    bundle = bundle_at(graph(batch=1), max_batch=1)
    assert backend.load(bundle, device="cpu").run(grey(0)).scores.shape == (1, 1, 2)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "tpu:0"])
def test_refuses_an_unknown_device(bundle_at: Make, device: str) -> None:
    with pytest.raises(UsageError, match="no such device"):
        backend.load(bundle_at(), device=device)


def test_no_cuda_is_an_error_and_never_the_cpu(bundle_at: Make) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(UsageError, match="without CUDA"):
        backend.load(bundle_at(), device="cuda")


def test_a_fallback_of_onnxruntime_is_an_error(
    bundle_at: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wheel with CUDA on a machine without: ONNX Runtime itself would say nothing."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: providers)
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda **_: None, raising=False)
    with (
        pytest.warns(UserWarning, match="CUDAExecutionProvider"),
        pytest.raises(UsageError, match="fell back to CPUExecutionProvider"),
    ):
        backend.load(bundle_at(), device="auto")


def test_missing_package_names_the_extra(bundle_at: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda name: None)
    assert "detector-kit[cpu]" in backend.available()
    with pytest.raises(MissingPackage, match=r"detector-kit\[cpu\]"):
        backend.load(bundle_at())


def test_a_failure_while_running_is_translated(bundle_at: Make) -> None:
    runner = backend.load(bundle_at(), device="cpu")
    with pytest.raises(RunFailed, match="ONNX Runtime failed"):
        runner.run(grey(0, size=32))


def test_operators_that_run_elsewhere_are_named(bundle_at: Make) -> None:
    """What a GPU's provider can't run ONNX Runtime leaves on the CPU, and says nothing."""
    bundle = bundle_at()
    runner = backend.load(bundle, device="cpu", threads=1)
    assert runner.elsewhere == ()
    left = backend.elsewhere(runner._session, "CUDAExecutionProvider")
    assert left is not None
    graph = onnx.load(bundle.weights).graph
    assert set(left) <= {node.name or node.op_type for node in graph.node}
    assert left

    class Older:
        """ONNX Runtime before 1.24."""

    assert backend.elsewhere(Older(), "CUDAExecutionProvider") is None
