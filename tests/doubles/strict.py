"""Stand-ins that have exactly the names and signatures of a version, and no more.

A list (``tensorrt-10.3.json``) says what there is; a class here says what some of it does. Calling
what the list lacks, setting what it does not let be set, or passing what it does not take fails as
it does with the real thing; using what it has and the class does not do fails too, by name.
"""

from __future__ import annotations

import enum
import inspect
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


def surface(name: str) -> Mapping[str, Any]:
    """A list of this folder."""
    return json.loads((Path(__file__).parent / f"{name}.json").read_text())


def enums(listed: Mapping[str, Any]) -> dict[str, type[enum.IntEnum]]:
    """Enums of the list, without what the version does not have."""
    return {
        name: enum.IntEnum(name.rpartition(".")[2], members)
        for name, members in listed["enums"].items()
    }


def strict(kind: type, listed: Mapping[str, Any], space: Mapping[str, Any]) -> type:
    """The class with its public side cut and checked by the list.

    Args:
        space: the names that types of parameters are looked up in.
    """
    told = listed["classes"][kind.__name__]
    body: dict[str, Any] = {}
    for name, value in vars(kind).items():
        if name.startswith("_"):
            body[name] = value
        elif name in told["methods"]:
            body[name] = _checked(f"{kind.__name__}.{name}", told["methods"][name], value, space)
        elif name in told["reads"]:
            body[name] = value
        elif name in told["writes"]:
            raise AssertionError(f"{kind.__name__}.{name} can only be set")
    for dropped in ("__dict__", "__weakref__"):
        body.pop(dropped, None)
    if told["init"] and "__init__" in body:
        body["__init__"] = _checked(kind.__name__, told["init"], body["__init__"], space)

    def setattribute(self: Any, name: str, value: Any) -> None:
        # a subclass of the user's (a logger, a monitor) has attributes of its own
        if not name.startswith("_") and type(self) is made and name not in told["writes"]:
            raise AttributeError(f"{kind.__name__} has no attribute {name} that can be set")
        object.__setattr__(self, name, value)

    def getattribute(self: Any, name: str) -> Any:
        has = name in told["methods"] or name in told["reads"]
        why = "is not done by this double" if has else "is not there in this version"
        raise (NotImplementedError if has else AttributeError)(f"{kind.__name__}.{name} {why}")

    made = type(kind.__name__, kind.__bases__, body)
    made.__setattr__, made.__getattr__ = setattribute, getattribute  # type: ignore[method-assign,assignment,attr-defined]
    return made


def _checked(
    where: str, overloads: list[list[str]], function: Callable[..., Any], space: Mapping[str, Any]
) -> Callable[..., Any]:
    ways = [(_signature(each), [_type(part) for part in each]) for each in overloads]

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        wrong = []
        for signature, types in ways:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                wrong.append(str(error))
                continue
            names = list(signature.parameters)
            bad = [
                f"{name} must be {word}, it is {value!r}"
                for name, value in bound.arguments.items()
                if not _fits(value, word := types[names.index(name)], space)
            ]
            if not bad:
                return function(self, **bound.arguments)
            wrong += bad
        raise TypeError(f"{where}: {'; '.join(wrong)}")

    return call


def _signature(parameters: list[str]) -> inspect.Signature:
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter(
                re.split(r"[:=]", part)[0].strip(), kinds,
                default=None if "=" in part else inspect.Parameter.empty,
            )
            for part in parameters
        ]
    )  # fmt: skip


def _type(parameter: str) -> str:
    return parameter.partition(":")[2].partition("=")[0].strip()


def _fits(value: Any, word: str, space: Mapping[str, Any]) -> bool:
    """Whether the binding would take a value: it converts little by itself."""
    if word in ("int", "float", "bool", "str"):
        kind = {"int": int, "float": (int, float), "bool": bool, "str": str}[word]
        return isinstance(value, kind) and (word == "bool" or not isinstance(value, bool))
    if word == "buffer":
        return isinstance(value, (bytes, bytearray, memoryview))
    if word in ("Dims", "tuple") or word.startswith("list"):
        whole = isinstance(value, (tuple, list))
        return whole and all(isinstance(x, int) and not isinstance(x, bool) for x in value)
    if word == "object":
        return True
    kind = space.get(word)
    if kind is None:
        raise AssertionError(f"the double knows no type {word}")
    return isinstance(value, kind)
