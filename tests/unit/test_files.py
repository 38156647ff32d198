from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from kit.errors import DataError, UsageError
from kit.files import (
    load_arrays,
    new_directory,
    parse_json,
    read_json,
    read_limited,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
    write_text,
)


def test_a_new_directory_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with new_directory(out) as beside:
        (beside / "a").write_text("1")
        assert not out.exists()
    assert (out / "a").read_text() == "1"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_it_fails(tmp_path: Path, stop: type[BaseException]) -> None:
    def fill() -> None:
        with new_directory(tmp_path / "out") as beside:
            (beside / "a").write_text("1")
            raise stop

    with pytest.raises(stop):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with new_directory(tmp_path / "out") as beside:  # an empty folder may be filled
        (beside / "a").write_text("1")
    with pytest.raises(UsageError, match="exists already"), new_directory(tmp_path / "out"):
        pass
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="exists already"), new_directory(tmp_path / "file"):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "disk full")))
        with pytest.raises(OSError, match="disk full"):
            write_bytes(path, b"new")
    assert path.read_text() == "old"
    assert [found.name for found in path.parent.iterdir()] == ["a.txt"]
    write_bytes(path, b"new")
    assert path.read_text() == "new"


def test_results_can_be_read_by_others(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "x")
    (tmp_path / "plain").write_text("x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_has_no_numbers_that_are_none(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    assert list(json.loads((tmp_path / "a.json").read_text())) == ["b", "a"]
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()


def test_hashes(tmp_path: Path) -> None:
    data = b"x" * 3_000_000
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    assert sha256_json([1, 2]) != sha256_json([2, 1])


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_limited(path, 4)
    os.mkfifo(tmp_path / "pipe")  # nobody writes: it is not waited for
    for other in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError):  # noqa: PT011 - the reason is the system's for a folder
            read_limited(other, 5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": [-Infinity]}', "-Infinity is no number"),
        (b'{"a": 1e999}', "larger than any number"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' is there twice"),
        (b"[" * 100_000, "recursion"),
        (b"9" * 10_000, "digits"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_json_that_could_be_read_in_two_ways_is_refused(
    tmp_path: Path, text: bytes, told: str
) -> None:
    (tmp_path / "it.json").write_bytes(text)
    with pytest.raises(DataError, match=f"not a thing .*{told}"):
        read_json(tmp_path / "it.json", "a thing", error=DataError)


def test_json_comes_back_as_it_was_written(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, 1e300, None, True, "\u00e4"], "b": {"a": {}}}
    write_json(tmp_path / "it.json", value)
    assert read_json(tmp_path / "it.json", "it", error=DataError) == value
    assert parse_json(b"\xef\xbb\xbf[1]") == [1]


def test_arrays_come_back_and_objects_do_not(tmp_path: Path) -> None:
    path = tmp_path / "it.npz"
    np.savez_compressed(path, a=np.arange(6).reshape(2, 3), b=np.array(["x", "yz"]))
    found = load_arrays(path)
    assert found["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["b"].tolist() == ["x", "yz"]
    evil = io.BytesIO()
    np.savez(evil, a=np.array([print], object))
    for data in (evil.getvalue(), path.read_bytes()[:-30], b"", b"PK"):
        path.write_bytes(data)
        with pytest.raises(ValueError, match=r"Object arrays|not a file of arrays"):
            load_arrays(path)
