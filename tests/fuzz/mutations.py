"""Files that are nearly whole: what a parser gets past the first check of."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from fuzz.targets import Target

LENGTHS = [
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    (1 << 63) - 1,
]
"""Numbers that are the last, or one too many, of some size."""

WORDS = [
    b"", b"\0", b"\n", b"\xff\xfe", b"\xef\xbb\xbf", b"../", b"/", b"&a", b"*a",
    b"!!python/name:os",
    b"<<: {}", b"- " * 50, b"[" * 400, b"{" * 400, b"nan", b"-inf", b"1e999", b"9" * 5000, b"0x",
    b"2020-99-99", b"1:2:3", b"\xe2\x80\xae", b"\xed\xa0\x80", b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
    b"&b;", b"]]>", b"<a>" * 300, b"null", b"~", b"true", b"?", b"? [a]\n: b", b"'", b'"', b"%",
    b"\t", b"-----BEGIN", b"$", b":", b"#", b"2026-11-21 00:00:00+99:99",
]  # fmt: skip
"""What means something to one parser or another."""

VALUES: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(
        [None, True, -1, 0, 1 << 31, 1 << 63, 1 << 200, -(1 << 63), 1e308, -1e308, 5e-324, "", "\0",
         "../../a", "/a", "\u202e", "\ud800", "a" * 5000, [], {}, [[]], [None], {"": ""},
         float("nan"), float("inf"), float("-inf")]
    ),
    st.floats(), st.integers(), st.text(max_size=8),
    st.lists(st.floats(), max_size=5),
    st.integers(50, 900).map(lambda depth: _nested(depth)),
)  # fmt: skip


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def files_for(target: Target) -> st.SearchStrategy[bytes]:
    """Any bytes now and then, else a whole file with some damage."""
    whole = target.seeds()
    assert whole, target.name
    ways = [damaged(whole), damaged(whole), worded(whole), st.binary(max_size=200)]
    if target.kind == "json":
        ways += [told_otherwise(whole)] * 6
    if target.kind == "text":
        ways += [worded(whole)] * 4
    return st.one_of(ways)


@st.composite
def damaged(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """Bytes flipped, cut, doubled, or made another number."""
    data = bytearray(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 6))):
        if not data:
            break
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["flip", "set", "cut", "drop", "double", "length", "swap"])):
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "set":
                data[at] = draw(st.integers(0, 255))
            case "cut":
                del data[at:]
            case "drop":
                del data[at : at + draw(st.integers(1, 64))]
            case "double":
                part = data[at : at + draw(st.integers(1, 64))]
                data[at:at] = part * draw(st.integers(1, 8))
            case "length":
                size, order = draw(st.sampled_from([1, 2, 4, 8])), draw(st.booleans())
                number = draw(st.sampled_from(LENGTHS)) % (1 << 8 * size)
                data[at : at + size] = number.to_bytes(size, "big" if order else "little")
            case "swap":
                to = draw(st.integers(0, len(data) - 1))
                data[at], data[to] = data[to], data[at]
    return bytes(data)


@st.composite
def worded(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """Words put in, or in the place of others, at the beginnings and ends of words."""
    data = draw(st.sampled_from(whole))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        word = draw(st.one_of(st.sampled_from(WORDS), st.text(max_size=6).map(_encoded)))
        data = data[:at] + word + data[at + draw(st.integers(0, 12)) :]
    return data


@st.composite
def told_otherwise(draw: st.DrawFn, whole: list[bytes]) -> bytes:
    """The same JSON with values, keys and items that are others, gone, or there twice."""
    tree = json.loads(draw(st.sampled_from(whole)))
    for _ in range(draw(st.integers(1, 4))):
        tree = _changed(draw, tree)
    text = json.dumps(tree)
    if draw(st.integers(0, 20)) == 0:
        text = text.replace("{", '{"a": 1, "a": 2, ', 1)
    return text.encode("utf-8", "surrogatepass")


def _changed(draw: st.DrawFn, tree: Any) -> Any:
    """One change, at a place that is as likely near the top as far down."""
    inside = isinstance(tree, (dict, list)) and tree
    if not inside or draw(st.integers(0, 4)) == 0:
        return draw(VALUES)
    if isinstance(tree, dict):
        key = draw(st.sampled_from(sorted(tree)))
        match draw(st.integers(0, 8)):
            case 0:
                return {name: value for name, value in tree.items() if name != key}
            case 1:
                return {**tree, draw(st.text(max_size=6)): draw(VALUES)}
        return {**tree, key: _changed(draw, tree[key])}
    at = draw(st.integers(0, len(tree) - 1))
    match draw(st.integers(0, 8)):
        case 0:
            return [*tree[:at], *tree[at + 1 :]]
        case 1:
            return [*tree, *tree[at:]]
    return [*tree[:at], _changed(draw, tree[at]), *tree[at + 1 :]]


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
