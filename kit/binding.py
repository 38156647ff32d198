"""Plain data, from YAML or JSON, <-> frozen dataclasses.

Data is checked as a whole: every mistake is reported at once, in the words of the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from kit.errors import CardError, KitError
from kit.files import MOST_SMALL, read_limited

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
D = TypeVar("D", bound="DataclassInstance")
Place: TypeAlias = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

_SHOWN = 200  # characters of a wrong value

STRICT = ConfigDict(extra="forbid", strict=False, allow_inf_nan=False)
"""For dataclasses that users write: an unknown key is a mistake, and a number that is none is."""


def bind(
    kind: type[T],
    data: Any,
    *,
    where: object,
    error: type[KitError] = CardError,
    lines: Mapping[Place, int] | None = None,
) -> T:
    """Check plain data against a dataclass.

    Args:
        lines: of the file, where each value stands (:func:`read_yaml`).

    Raises:
        CardError: (or ``error``) naming every mistake, one a line.
    """
    unhashed: Any = kind
    try:
        bound: T = _adapter(unhashed).validate_python(data)
        return bound
    except ValidationError as mistakes:
        told = _mistakes(unhashed, data, mistakes, lines or {})
        raise error("\n  ".join([f"{len(told)} mistake(s)", *told]), where=where) from None


def plain(bound: Any) -> dict[str, Any]:
    """A dataclass as plain data, ready for YAML or JSON."""
    kind: Any = type(bound)
    return dict(_adapter(kind).dump_python(bound, mode="json"))


def replace(bound: D, **changes: Any) -> D:
    """A changed copy, checked again."""
    return dataclasses.replace(bound, **changes)


def read_yaml(path: Path, *, most: int = MOST_SMALL) -> tuple[Any, dict[Place, int]]:
    """Parse YAML safely: no tags, so nothing is ever constructed or run.

    Returns:
        The data, and the line, counted from 1, at which each value of it stands.

    Raises:
        CardError: unreadable, too large, or not YAML.
    """
    try:
        data, node = load_yaml(path, most=most)
        return data, dict(_lines(node))
    except YAML_FAULTS as error:
        raise CardError(f"can't be read as YAML ({error})", where=path) from error


YAML_FAULTS = (OSError, ValueError, yaml.YAMLError, RecursionError)
"""What :func:`load_yaml` raises."""


def load_yaml(
    path: Path, *, texts: bool = False, most: int = MOST_SMALL
) -> tuple[Any, yaml.Node | None]:
    """Parse a small YAML file that may be anybody's.

    Aliases are refused, since what refers to itself is short in a file and endless in memory; so
    are keys that stand twice, of which every reader takes another one.

    Args:
        texts: leave every value the text it is: ``no`` stays a word.
        most: bytes it may have.

    Returns:
        The data, and the node it was made from, which knows lines.
    """
    text = read_limited(path, most).decode("utf-8-sig")
    loader = (_Texts if texts else _Values)(text)
    try:
        node = loader.get_single_node()
        return (None if node is None else loader.construct_document(node)), node
    finally:
        loader.dispose()


class _Plain(yaml.parser.Parser, yaml.composer.Composer):
    """Composes trees: no value stands in two places, no key twice in one."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "holds a reference (*)", mark)
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    told = f"the key {key.value!r} is there twice"
                    raise yaml.composer.ComposerError(None, None, told, key.start_mark)
                seen.add((key.tag, key.value))
        return node


class _Values(_Plain, yaml.SafeLoader):
    pass


class _Texts(_Plain, yaml.BaseLoader):
    pass


def _lines(node: Any, place: Place = ()) -> Any:
    """Where each value stands; a key's line, since a value may begin on the next."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else "?"
            yield (*place, name), key.start_mark.line + 1
            yield from _lines(value, (*place, name))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*place, index), value.start_mark.line + 1
            yield from _lines(value, (*place, index))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _mistakes(
    kind: Any, data: Any, first: ValidationError, lines: Mapping[Place, int]
) -> list[str]:
    """All of them: ranges are only looked at where the rest is sound, so the rest is put aside."""
    found = first.errors()
    wrong = {mistake["loc"][0] for mistake in found if mistake["loc"]}
    if wrong and isinstance(data, dict):
        try:
            _adapter(kind).validate_python({k: v for k, v in data.items() if k not in wrong})
        except ValidationError as others:
            found += [mistake for mistake in others.errors() if not mistake["loc"]]
    return [
        f"{_line(mistake['loc'], lines)}{line}"
        for mistake in found
        for line in _in_words(mistake).split("; ")
    ]


def _line(place: Place, lines: Mapping[Place, int]) -> str:
    """Of the value, or of the nearest one around it."""
    for length in range(len(place), 0, -1):
        if place[:length] in lines:
            return f"line {lines[place[:length]]}: "
    return ""


def _in_words(mistake: Any) -> str:
    place = ".".join(str(part) for part in mistake["loc"]) or "the card"
    if mistake["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{place}: unknown key"
    if mistake["type"] in ("missing", "missing_argument"):
        return f"{place}: is missing"
    reason = mistake["msg"].removeprefix("Value error, ")
    if not mistake["loc"] and isinstance(mistake["input"], dict):
        return str(reason)  # it names what it is about
    given = repr(mistake["input"])
    given = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}..."
    return f"{place}: {reason[0].lower()}{reason[1:]}, got {given}"
