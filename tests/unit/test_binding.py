"""Mistakes in a YAML file are told all at once, each with its line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.binding import STRICT, bind, plain, read_yaml
from kit.errors import CardError


@dataclass(frozen=True)
class Inner:
    __pydantic_config__ = STRICT
    size: int


@dataclass(frozen=True)
class Outer:
    __pydantic_config__ = STRICT
    name: str
    inner: tuple[Inner, ...]


def test_every_mistake_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "outer.yaml"
    path.write_text("name: [1]\ninner:\n  - {size: 3}\n  - size: many\n    colour: red\nold: 1\n")
    data, lines = read_yaml(path)
    with pytest.raises(CardError) as caught:
        bind(Outer, data, where=path, lines=lines)
    told = str(caught.value)
    assert "4 mistake(s)" in told
    for line in ("line 1: name:", "line 4: inner.1.size:", "line 5: inner.1.colour: unknown key"):
        assert line in told
    assert "line 6: old: unknown key" in told


def test_a_missing_key_stands_at_what_lacks_it(tmp_path: Path) -> None:
    path = tmp_path / "outer.yaml"
    path.write_text("name: a\ninner:\n\n  - {}\n")
    data, lines = read_yaml(path)
    with pytest.raises(CardError, match=r"line 4: inner\.0\.size: is missing"):
        bind(Outer, data, where=path, lines=lines)


def test_what_is_bound_is_plain_again() -> None:
    data = {"name": "a", "inner": [{"size": 3}]}
    assert plain(bind(Outer, data, where="here")) == data
