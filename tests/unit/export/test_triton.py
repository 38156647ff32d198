"""A model repository says of a graph what the graph is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from kit.bundle import Bundle, save_bundle
from kit.errors import BundleError, UsageError
from kit.export.graph import from_checkpoint
from kit.export.triton import to_triton
from kit.files import sha256_file


def onnx_bundle(checkpoint: Bundle, out: Path, max_batch: int | None = None) -> Bundle:
    model = from_checkpoint(checkpoint).model
    if max_batch:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = max_batch
    card = replace(checkpoint.card, kind="onnx", weights="model.onnx", max_batch=max_batch)
    return save_bundle(out, card, {"model.onnx": model.SerializeToString()})


@pytest.mark.parametrize("max_batch", [None, 1])
def test_the_config_is_the_graphs(
    checkpoint: Bundle, tmp_path: Path, max_batch: int | None
) -> None:
    bundle = onnx_bundle(checkpoint, tmp_path / "onnx", max_batch)
    model = to_triton(bundle, tmp_path / "repository")
    assert sha256_file(model / "1" / "model.onnx") == bundle.card.files["model.onnx"]
    assert sha256_file(model / "card.json") == bundle.sha256
    assert (model / "labels.txt").read_text().splitlines() == list(bundle.card.classes)
    config = (model / "config.pbtxt").read_text()
    assert f'name: "{model.name}"' in config
    assert f"max_batch_size: {0 if max_batch else 8}\n" in config
    assert ("dynamic_batching" in config) == (max_batch is None)
    told = re.findall(r'name: "(\w+)"\n  data_type: (\w+)\n  dims: \[ ([\d, ]+) \]', config)
    graph = onnx.load(bundle.weights).graph
    for value, (name, kind, sizes) in zip((*graph.input, *graph.output), told, strict=True):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        assert name == value.name
        assert kind == ("TYPE_UINT8" if name == "images" else "TYPE_FP32")
        assert [int(size) for size in sizes.split(",")] == dims[0 if max_batch else 1 :]


def test_only_graphs_are_served(checkpoint: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="--precision fp32"):
        to_triton(checkpoint, tmp_path / "repository")
    assert not list(tmp_path.iterdir())


def test_a_repository_is_never_written_over(checkpoint: Bundle, tmp_path: Path) -> None:
    bundle = onnx_bundle(checkpoint, tmp_path / "onnx")
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "mine").touch()
    with pytest.raises(UsageError, match="exists already"):
        to_triton(bundle, tmp_path / "repository")
