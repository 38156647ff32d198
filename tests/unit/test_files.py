from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from kit.errors import UsageError
from kit.files import (
    new_directory,
    new_file,
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


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_new_file_appears_complete_or_not_at_all(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    def fill(error: BaseException | None) -> None:
        with new_file(tmp_path / "deep" / "out") as file:
            file.write(b"1")
            assert not (tmp_path / "deep" / "out").exists()
            if error is not None:
                raise error

    with pytest.raises(stop):
        fill(stop())
    assert list((tmp_path / "deep").iterdir()) == []
    fill(None)
    assert (tmp_path / "deep" / "out").read_bytes() == b"1"
    with pytest.raises(UsageError, match="exists already"):
        fill(None)
    with pytest.raises(UsageError, match="is a file"), new_file(tmp_path / "deep" / "out" / "in"):
        pass


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
