from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kit.errors import DataError, UsageError
from kit.files import (
    load_arrays,
    new_directory,
    new_file,
    parse_json,
    read_json,
    read_limited,
    replaced,
    sha256_file,
    sha256_json,
    write_bytes,
    write_json,
    write_text,
)
from kit.parts import is_part, remove_directory, scratch, sweep


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


WRITES = """
import sys, time
from pathlib import Path
from kit.files import new_directory, replaced
path = Path(sys.argv[1])
with replaced(path / "state") as beside, new_directory(path / "bundle") as folder:
    beside.write_text("half")
    (folder / "weights").write_text("half")
    print("written", flush=True)
    time.sleep(60)
"""


def parts(folder: Path) -> list[str]:
    return sorted(path.name.split(".")[1] for path in folder.iterdir() if is_part(path.name))


def test_what_a_killed_process_was_writing_is_swept_and_what_lives_is_not(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(tmp_path)], stdout=subprocess.PIPE, env=os.environ
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    (tmp_path / ".mine.abcd1234").write_text("not ours")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".link.abcd1234.kit-part").symlink_to(tmp_path / "elsewhere")
    sweep(tmp_path)
    assert parts(tmp_path) == ["bundle", "link", "state"]
    process.kill()
    process.wait()
    assert not (tmp_path / "state").exists()
    write_text(tmp_path / "other", "whoever writes here next sweeps")
    assert parts(tmp_path) == ["link"]
    assert (tmp_path / "elsewhere").is_dir()
    assert (tmp_path / ".mine.abcd1234").exists()


def test_nothing_is_swept_where_nobody_can_say_that_it_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(file: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with new_directory(tmp_path / "bundle"):
        sweep(tmp_path)
        assert parts(tmp_path) == ["bundle"]
    assert (tmp_path / "bundle").is_dir()


def test_a_directory_is_removed_under_another_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that whoever kills it leaves the whole of it, or nothing under its name."""
    path = tmp_path / "bundle"
    path.mkdir()
    (path / "weights").write_text("x")
    removed = []

    def kill(beside: Path, **options: object) -> None:
        removed.append(beside)
        assert (beside / "weights").exists()
        assert not path.exists()

    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", kill)
        remove_directory(path)
    assert len(removed) == 1
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_directory(path)  # nothing is there


def test_what_is_needed_for_a_while_is_private_and_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch("export") as folder:
        (folder / "graph").write_text("x")
        assert folder.stat().st_mode & 0o077 == 0
        assert parts(tmp_path) == ["export"]
    assert list(tmp_path.iterdir()) == []


def test_what_failed_gives_its_room_back_at_once(tmp_path: Path) -> None:
    """Whoever tells of a full disk needs some, while the error still has the file open."""
    still_open: list[int] = []

    def fill() -> None:
        with replaced(tmp_path / "state") as beside:
            beside.write_bytes(b"x" * 100_000)
            still_open.append(os.open(beside, os.O_RDONLY))
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert os.fstat(still_open[0]).st_size == 0
    os.close(still_open[0])


def test_what_has_its_name_is_not_touched_however_soon_a_signal_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def interrupted(beside: Path, path: Path) -> None:
        replace(beside, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "state", "whole")
    assert (tmp_path / "state").read_text() == "whole"
    with pytest.raises(KeyboardInterrupt), new_directory(tmp_path / "bundle") as folder:
        (folder / "weights").write_text("whole")
    assert (tmp_path / "bundle" / "weights").read_text() == "whole"


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 255), "content")
    assert len(list(tmp_path.iterdir())) == 1


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
