"""The tree drawn at the top of kit/errors.py is the tree there is."""

from __future__ import annotations

import inspect
import re
import signal

import pytest

from kit import errors
from kit.errors import KitError, Stopped


def drawn() -> dict[str, tuple[str | None, str]]:
    """Each class in the drawing, with its parent and its exit code."""
    found: dict[str, tuple[str | None, str]] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([\s│├└─]*)(\w+) +([\d/]+) ", line)
        if match and match[3][0].isdigit() and hasattr(errors, match[2]):
            depth = len(match[1])
            above = [(d, name) for d, name in above if d < depth]
            found[match[2]] = (above[-1][1] if above else None, match[3])
            above.append((depth, match[2]))
    return found


def test_the_drawing_is_true() -> None:
    classes = {
        name: cls
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, KitError)
    }
    tree = drawn()
    assert set(tree) == set(classes)
    for name, (parent, code) in tree.items():
        assert classes[name].__base__ is (classes[parent] if parent else Exception)
        if name != "Stopped":
            assert str(classes[name].exit_code) == code
    stops = [Stopped("x", number=n).exit_code for n in (signal.SIGINT, signal.SIGTERM)]
    assert "/".join(map(str, stops)) == tree["Stopped"][1]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KitError("it broke"), "it broke"),
        (KitError("it broke", where="a.txt"), "a.txt: it broke"),
        (KitError("it broke", where="a.txt", fix="mend it"), "a.txt: it broke\n  -> mend it"),
        (KitError("it broke", fix="mend it"), "it broke\n  -> mend it"),
    ],
)
def test_a_message_says_where_what_and_what_to_do(error: KitError, text: str) -> None:
    assert str(error) == text
