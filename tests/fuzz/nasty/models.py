"""Weights, graphs and arrays."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from fuzz import seeds
from fuzz.nasty import Look, case
from fuzz.targets import BY_NAME


def parses(target: str, folder: Path, data: bytes) -> Look:
    """Reads it; whatever was run would have left a file."""

    def look() -> object:
        there = {*folder.rglob("*")}
        try:
            return BY_NAME[target].parse(data, folder)
        finally:
            made = {path.name for path in {*folder.rglob("*")} - there}
            assert "ran" not in made
            assert not Path("ran").exists()

    return look


class Calls:
    """Unpickles by calling something."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self._call = call, arguments

    def __reduce__(self) -> Any:
        return self._call


def saved(value: Any, *, whole: bool = True) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(value, file, _use_new_zipfile_serialization=whole)
    return file.getvalue()


REFUSED = r"refused \(2\).*refused: "


@case(REFUSED + "it asks for posix.system", "torch")
def checkpoint_that_runs_a_command(folder: Path) -> Look:
    return parses("checkpoint", folder, saved({"model": Calls(os.system, "touch ran")}))


@case(REFUSED + "it asks for posix.system", "torch")
def old_checkpoint_that_runs_a_command(folder: Path) -> Look:
    return parses(
        "checkpoint", folder, saved({"model": Calls(os.system, "touch ran")}, whole=False)
    )


@case(REFUSED + "it asks for __builtin__.getattr", "torch")
def checkpoint_that_goes_from_name_to_name(folder: Path) -> Look:
    return parses("checkpoint", folder, saved(Calls(getattr, Calls(__import__, "os"), "system")))


@case(REFUSED + "it asks for torch.load", "torch")
def checkpoint_that_loads_another(folder: Path) -> Look:
    return parses("checkpoint", folder, pickle_of(b"ctorch\nload\n(S'other.pt'\ntR."))


@case(REFUSED + "it asks for torch.nn.__builtins__|" + REFUSED, "torch")
def checkpoint_that_goes_through_a_module(folder: Path) -> Look:
    path = "serialization.os.system"
    data = b"\x80\x04" + _short("torch") + _short(path) + b"\x93" + _short("touch ran") + b"\x85R."
    return parses("checkpoint", folder, pickle_of(data))


def _short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def pickle_of(program: bytes) -> bytes:
    """A checkpoint whose pickle is this program."""
    whole = io.BytesIO(saved({}))
    made = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            data = program if entry.filename.endswith("data.pkl") else old.read(entry)
            new.writestr(entry.filename, data, zipfile.ZIP_STORED)
    return made.getvalue()


@case(r"read|refused \(2\)", "torch")
def pickle_that_remembers_eighty_million_things(folder: Path) -> Look:
    number = struct.pack("<I", 80_000_000)
    return parses("pickle of arrays", folder, b"\x80\x02Nr" + number + b".")


@case(r"refused \(2\).*not a readable checkpoint", "torch")
def pickle_that_announces_exabytes(folder: Path) -> Look:
    return parses("pickle of arrays", folder, b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f" + b"x")


@case(r"refused \(2\)|read", "torch")
def pickle_nested_without_end(folder: Path) -> Look:
    return parses("pickle of arrays", folder, b"\x80\x02" + b"(" * 400_000 + b"l" * 400_000 + b".")


@case(r"refused \(2\)", "torch")
def tensor_larger_than_its_numbers(folder: Path) -> Look:
    import torch

    data = saved({"a": torch.zeros(4)})
    program = zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")
    assert b"K\x04\x85" in program
    return parses(
        "checkpoint", folder, pickle_of(program.replace(b"K\x04\x85", b"J\xff\xff\xff\x7f\x85"))
    )


@case(REFUSED + "its part archive/data/0 is compressed|" + REFUSED, "torch")
def checkpoint_that_swells(folder: Path) -> Look:
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved({}))) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), zipfile.ZIP_STORED)
        new.writestr("archive/data/0", bytes(100 << 20), zipfile.ZIP_DEFLATED)
    return parses("checkpoint", folder, made.getvalue())


@case(REFUSED + "it is a tar file", "torch")
def checkpoint_that_is_a_tar(folder: Path) -> Look:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        storages = tarfile.TarInfo("storages")
        storages.type, storages.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(storages)
    return parses("checkpoint", folder, file.getvalue())


@case(r"refused \(2\).*its watch can't be read.*[Oo]bject arrays")
def watch_of_pickled_objects(folder: Path) -> Look:
    file = io.BytesIO()
    objects = np.array([Calls(os.system, "touch ran")], object)
    np.savez(file, mean=objects, whiten=objects, allow_pickle=True)
    return parses("watch", folder, file.getvalue())


@case(r"refused \(2\).*it unpacks to")
def watch_that_swells(folder: Path) -> Look:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed,
        packed.open("mean.npy", "w") as one,
    ):
        np.lib.format.write_array_header_1_0(
            one, {"descr": "<f4", "fortran_order": False, "shape": (75 << 20,)}
        )
        for _ in range(300):
            one.write(bytes(1 << 20))
    return parses("watch", folder, file.getvalue())


@case(r"refused \(2\).*its watch can't be read")
def watch_that_announces_terabytes(folder: Path) -> Look:
    one = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        one, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    )
    return parses("watch", folder, seeds.zipped({"mean.npy": one.getvalue(), "whiten.npy": b""}))


def tensors(header: dict[str, Any], data: bytes = bytes(16)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@case(r"refused \(2\).*its tensors can't be read", "torch")
def tensors_that_overlap(folder: Path) -> Look:
    same = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    return parses("tensors", folder, tensors({"a": same, "b": same}))


@case(r"refused \(2\).*its tensors can't be read", "torch")
def tensors_that_reach_beyond(folder: Path) -> Look:
    far = {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}
    return parses("tensors", folder, tensors({"a": far}))


@case(r"refused \(2\).*its tensors can't be read", "torch")
def tensors_with_a_head_of_exabytes(folder: Path) -> Look:
    return parses("tensors", folder, b"\xff" * 7 + b"\x7f{}")


def graph(change: Any) -> bytes:
    import onnx

    model = onnx.load_from_string(seeds.graph())
    change(model)
    return bytes(model.SerializeToString())


def outside(tensor: Any, location: str = "/etc/passwd") -> None:
    import onnx

    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location


OUTSIDE = r"refused \(2\).*refers to files outside itself"


@case(OUTSIDE, "onnx")
def graph_with_weights_elsewhere(folder: Path) -> Look:
    return parses("onnx session", folder, graph(lambda m: outside(m.graph.initializer[0])))


@case(OUTSIDE, "onnx")
def graph_with_a_constant_elsewhere(folder: Path) -> Look:
    def change(model: Any) -> None:
        import onnx

        tensor = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [1.0])
        outside(tensor)
        model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["c"], value=tensor))

    return parses("onnx session", folder, graph(change))


@case(OUTSIDE, "onnx")
def graph_with_weights_elsewhere_in_a_branch(folder: Path) -> Look:
    def change(model: Any) -> None:
        import onnx

        tensor = onnx.helper.make_tensor("t", onnx.TensorProto.FLOAT, [1], [1.0])
        outside(tensor)
        inner = onnx.helper.make_graph([], "inner", [], [], [tensor])
        model.graph.node.append(
            onnx.helper.make_node("If", ["one"], ["x"], then_branch=inner, else_branch=inner)
        )

    return parses("onnx session", folder, graph(change))


@case(r"refused \(2\).*operators that come with no engine, of 'evil'", "onnx")
def graph_with_operators_of_a_library(folder: Path) -> Look:
    def change(model: Any) -> None:
        model.graph.node[0].domain = "evil"

    return parses("onnx session", folder, graph(change))


@case(r"refused \(2\).*brings operators of its own", "onnx")
def graph_with_a_function_that_calls_itself(folder: Path) -> Look:
    def change(model: Any) -> None:
        import onnx

        node = onnx.helper.make_node("f", ["x"], ["y"], domain="com.microsoft")
        opset = onnx.helper.make_opsetid("com.microsoft", 1)
        model.functions.append(
            onnx.helper.make_function("com.microsoft", "f", ["x"], ["y"], [node], [opset])
        )

    return parses("onnx session", folder, graph(change))


@case(r"refused \(2\).*graphs inside graphs", "onnx")
def graph_of_graphs_without_end(folder: Path) -> Look:
    def field(number: int, data: bytes) -> bytes:
        length, size = b"", len(data)
        while size > 0x7F:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        return bytes([number << 3 | 2]) + length + bytes([size]) + data

    data = b""
    for _ in range(2000):  # a graph that holds a node with an attribute that is a graph
        data = field(1, field(5, field(6, data)))
    return parses("onnx session", folder, field(7, data))


@case(r"refused \(2\).*not an ONNX graph, or a damaged one")
def graph_that_is_cut(folder: Path) -> Look:
    return parses("onnx graph", folder, seeds.graph()[:200])


@case(r"refused \(2\)", "onnx")
def graph_that_announces_terabytes(folder: Path) -> Look:
    def change(model: Any) -> None:
        for weight in model.graph.initializer:
            if weight.name == "box":
                weight.dims[:] = [1 << 20, 1 << 20, 4]

    return parses("onnx session", folder, graph(change))


@case(r"refused \(2\).*not the one the card describes", "onnx")
def graph_whose_classes_are_nested_without_end(folder: Path) -> Look:
    def change(model: Any) -> None:
        told = model.metadata_props.add()
        told.key, told.value = "classes", "[" * 200_000

    return parses("onnx session", folder, graph(change))


@case(r"refused \(2\).*detections can't be read")
def arrays_of_a_cell_without_its_scores(folder: Path) -> Look:
    return parses("cell's arrays", folder, seeds.arrays(ids=np.array(["a"])))


@case(r"refused \(2\).*detections can't be read")
def arrays_that_are_damaged_within_lzma(folder: Path) -> Look:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("ap.npy", b"\x93NUMPY" * 99)
    data = bytearray(file.getvalue())
    data[45] = 0xFF  # the first byte that is packed
    return parses("cell's arrays", folder, bytes(data))


@case(r"refused \(2\).*detections can't be read")
def arrays_of_a_cell_that_do_not_fit(folder: Path) -> Look:
    whole = dict(np.load(io.BytesIO(seeds.cell_arrays())))
    return parses("cell's arrays", folder, seeds.arrays(**{**whole, "ids": np.array(["a"])}))


@case(r"refused \(2\).*not a wheel, or a damaged one")
def wheel_that_ends_early(folder: Path) -> Look:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("alpha-1.0.dist-info/METADATA", "Name: alpha\n" * 99)
        size = archive.infolist()[0].compress_size
    data = file.getvalue()
    return parses("wheel", folder, data.replace(size.to_bytes(4, "little"), b"\x09\0\0\0"))
