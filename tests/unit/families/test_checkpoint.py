"""Reading published weights runs nothing."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from kit.errors import WeightsError
from kit.families.checkpoint import Record, read_checkpoint, read_pickle, tensors_of


class _Runs:
    """Unpickles by running a command."""

    def __init__(self, call: object, *arguments: object) -> None:
        self._reduced = (call, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self._reduced


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (os.system, "touch {mark}"),
        (eval, "open({mark!r}, 'w')"),
        (exec, "open({mark!r}, 'w')"),
        (__import__, "antigravity"),
        (getattr, "os"),
        (torch.load, "{mark}"),
    ],
    ids=["system", "eval", "exec", "import", "getattr", "torch.load"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_runs_code_is_refused(
    tmp_path: Path, call: object, argument: str, zipped: bool
) -> None:
    mark = tmp_path / "ran"
    path = tmp_path / "evil.pt"
    evil = {"model": _Runs(call, argument.format(mark=str(mark)))}
    torch.save(evil, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="refused"):
        read_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_arrays_come_back_and_code_does_not(tmp_path: Path, protocol: int) -> None:
    arrays = {"model": {"weight": np.arange(6, dtype=np.float32).reshape(2, 3)}, "by": "someone"}
    path = tmp_path / "arrays.pkl"
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    content = read_pickle(path)
    assert np.array_equal(content["model"]["weight"], arrays["model"]["weight"])
    assert content["by"] == "someone"
    mark = tmp_path / "ran"
    path.write_bytes(pickle.dumps({"model": _Runs(os.system, f"touch {mark}")}, protocol=protocol))
    with pytest.raises(WeightsError, match="refused"):
        read_pickle(path)
    assert not mark.exists()


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(content)
    for read in (read_checkpoint, read_pickle):
        with pytest.raises(WeightsError, match="not a readable checkpoint"):
            read(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="can't be read"):
        read_checkpoint(tmp_path / "none.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_tensors_of_model_objects_come_back(tmp_path: Path, zipped: bool) -> None:
    """Whole modules were pickled, in half precision: only their tensors are rebuilt."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ModuleList([torch.nn.ReLU()])
    )
    path = tmp_path / "model.pt"
    torch.save({"model": model.half(), "epoch": 3}, path, _use_new_zipfile_serialization=zipped)
    content = read_checkpoint(path)
    assert content["epoch"] == 3
    assert isinstance(content["model"], Record)
    found, expected = tensors_of(content["model"]), model.float().state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    "name", ["yolov8n", "yolov8s", "yolo11n_det_from_seg", "yolov5n_coco80_legacy"]
)
def test_real_weights_read_without_their_code(weights: Path, name: str) -> None:
    content = read_checkpoint(weights / f"{name}.pt")
    state = tensors_of(content.get("ema") or content["model"])
    assert len(state) in (350, 355, 499)
    assert all(torch.isfinite(t).all() for t in state.values() if t.is_floating_point())
    assert state["model.0.conv.weight"].dtype == torch.float32
