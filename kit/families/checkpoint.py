"""Read the tensors of a ``.pt`` or ``.pkl`` file without running any of its code.

Either is a pickle, and a pickle is a program. This reader knows how to rebuild tensors and a
dozen harmless containers; classes of model code become inert records whose attributes can be
walked; anything else stops the reading. So an original YOLOv5 file, whose classes no longer exist,
reads like any other, and a hostile file reads not at all.
"""

from __future__ import annotations

import collections
import pickle
import tarfile
import types
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from kit.bundle import Bundle
from kit.errors import BundleError, WeightsError


def _encode(text: str, encoding: str) -> bytes:
    """What NumPy scalars are stored through; always as latin1."""
    return text.encode(encoding if encoding == "latin1" else "ascii")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _encode,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}
_KINDS = "Float Double Half BFloat16 Long Int Short Char Byte Bool"
_STORAGES = {f"{kind}Storage" for kind in _KINDS.split()}
_MODEL_CODE = ("models", "utils", "ultralytics", "torch.nn", "torchvision", "detectron2")
"""Top modules whose classes may be named by a checkpoint; they are never imported from it."""

_DATA_ONLY = {"pathlib", "datetime", "numpy", "dill", "argparse"}
"""Modules seen in the side information of real checkpoints (paths, dates, options)."""


_ORIGINAL = "get the file from its maker again, and compare its sha256"


_ARRAYS: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
for _core in ("core", "_core"):  # before NumPy 2, and since
    _ARRAYS[f"numpy.{_core}.multiarray", "_reconstruct"] = np.empty(1).__reduce__()[0]
    _ARRAYS[f"numpy.{_core}.numeric", "_frombuffer"] = np.empty(1).__reduce_ex__(5)[0]
"""What an array is rebuilt from; its content is bytes."""


class Record:
    """Stands in for an object of model code: holds its state, does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args

    def __call__(self, *args: Any, **kwargs: Any) -> Record:
        return self

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise pickle.PicklingError("a record is for reading only")

    # containers of model code (ModuleList, namespaces) may be filled item by item
    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass


class _Refused(pickle.UnpicklingError):
    """It names something that is on no list."""


class _Unpickler(pickle._Unpickler):
    """The one in Python: the one in C makes room for as many remembered objects as a file of ten
    bytes asks for."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        value = getattr(torch, name, None) if module == "torch" else None
        if name in _STORAGES or isinstance(value, torch.dtype):
            return value
        top = module.partition(".")[0]
        if top in _DATA_ONLY or any(module == m or module.startswith(m + ".") for m in _MODEL_CODE):
            return type(name, (Record,), {"__module__": f"checkpoint.{module}"})
        raise _Refused(f"it asks for {module}.{name}")


class _ArrayUnpickler(_Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return _ARRAYS.get((module, name)) or super().find_class(module, name)


_PICKLE = types.ModuleType("kit_restricted_pickle")
_PICKLE.Unpickler = _Unpickler  # type: ignore[attr-defined]
_PICKLE.load = lambda file, **options: _Unpickler(file, **options).load()  # type: ignore[attr-defined]


def read_checkpoint(path: Path) -> Any:
    """The content of a ``.pt`` or ``.pth`` file; model objects are :class:`Record`.

    Raises:
        WeightsError: unreadable, damaged, or it names code that no checkpoint needs.
    """
    with _told(path):
        _require_stored(path)
        return torch.load(path, map_location="cpu", pickle_module=_PICKLE, weights_only=False)


def read_pickle(path: Path) -> Any:
    """The content of a ``.pkl`` file of NumPy arrays, of Python 2 or 3.

    Raises:
        WeightsError: as of :func:`read_checkpoint`.
    """
    with _told(path), path.open("rb") as file:
        return _ArrayUnpickler(file, encoding="latin1").load()


def load_weights(network: nn.Module, bundle: Bundle) -> None:
    """Fill a network with the tensors of a checkpoint bundle.

    Raises:
        BundleError: see :func:`read_tensors`; also where they are another network's.
    """
    try:
        network.load_state_dict(read_tensors(bundle.weights))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise BundleError(
            f"its tensors are not those of a {bundle.card.architecture} ({reason})",
            where=bundle.weights,
        ) from error


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name from a safetensors file, which holds numbers and no code.

    Raises:
        BundleError: missing or damaged.
    """
    try:
        return load_file(path)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise BundleError(f"its tensors can't be read ({error})", where=path) from error


def _require_stored(path: Path) -> None:
    """Raise where a file isn't packed as torch packs: it stores tensors as they are, so that one
    that would swell was made to; and tar files, of torch before 0.1.10, would be unpacked."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            swollen = [m for m in packed.infolist() if m.compress_type != zipfile.ZIP_STORED]
        if swollen:
            raise _Refused(f"its part {swollen[0].filename} is compressed")
    elif tarfile.is_tarfile(path):
        raise _Refused("it is a tar file")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What can go wrong with a pickle, in our words."""
    try:
        yield
    except _Refused as error:
        raise WeightsError(
            f"refused: {error}, which no checkpoint needs; loading it could do harm",
            where=path,
            fix=_ORIGINAL,
        ) from error
    except OSError as error:
        raise WeightsError(f"can't be read ({error.strerror or error})", where=path) from error
    except Exception as error:  # a damaged pickle fails in any way it likes
        raise WeightsError(
            f"not a readable checkpoint ({error})", where=path, fix=_ORIGINAL
        ) from error


def tensors_of(module: Any) -> dict[str, Tensor]:
    """The state dict of a :class:`Record` that stood for an ``nn.Module``: parameters and buffers
    by dotted name, as float32 where they are floating."""
    found: dict[str, Tensor] = {}

    def walk(record: Any, prefix: str) -> None:
        state = vars(record) if isinstance(record, Record) else {}
        for kind in ("_parameters", "_buffers"):
            for name, value in (state.get(kind) or {}).items():
                if isinstance(value, Tensor):
                    plain = value.detach()
                    found[prefix + name] = plain.float() if plain.is_floating_point() else plain
        for name, child in (state.get("_modules") or {}).items():
            walk(child, f"{prefix}{name}.")

    walk(module, "")
    return found
