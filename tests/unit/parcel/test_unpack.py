"""What was packed comes out; anything else is refused, and nothing of it is left behind."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from doubles.parcel import FOLDER, forge, manifest_of, members, swapped, tiny_bundle
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.bundle import open_bundle
from kit.errors import KitError, ParcelError, RunFailed, UsageError
from kit.files import json_bytes
from kit.parcel import manifest as rules
from kit.parcel.manifest import MANIFEST, README, SIGNATURE, SUMS
from kit.parcel.tar import BLOCK, header
from kit.parcel.unpack import unpack
from kit.signature import require_signature


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def refused(data: bytes, folder: Path, **how: Any) -> str:
    """Why an archive was refused; that nothing is left of it anywhere."""
    place = folder / "place"
    place.mkdir(parents=True)
    (folder / "bad.tar").write_bytes(data)
    with pytest.raises(KitError) as error:
        unpack(folder / "bad.tar", place / "out", **how)
    assert list(place.iterdir()) == []
    assert {path.name for path in folder.iterdir()} == {"place", "bad.tar"}
    return str(error.value)


@pytest.fixture
def parts(unsigned: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files and manifest of a sound parcel, to be made unsound."""
    files = members(unsigned)
    manifest = json.loads(files.pop(MANIFEST))
    del files[SUMS]
    return files, manifest


def test_what_was_packed_comes_out(unsigned: Path, tmp_path: Path) -> None:
    found = unpack(unsigned, tmp_path / "out")
    assert tree(tmp_path / "out") == members(unsigned)
    assert (found.signed, found.signed_by) == (False, None)
    assert open_bundle(tmp_path / "out" / "bundle").sha256 == found.manifest.bundle.sha256
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_forged_one_with_nothing_wrong_is_taken(
    parts: tuple[dict[str, bytes], dict[str, Any]], unsigned: Path, tmp_path: Path
) -> None:
    """So that what follows is refused for the one thing that is wrong."""
    assert forge(*parts) == unsigned.read_bytes()


def test_signed_by_the_key_that_is_asked_for(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    found = unpack(signed, tmp_path / "out", key=keys[1])
    assert found.signed_by
    assert unpack(signed, tmp_path / "again").signed_by is None  # nobody asked
    bundle = open_bundle(tmp_path / "out" / "bundle")
    assert require_signature(bundle, keys[1]) == found.signed_by


def test_not_signed_as_asked(
    signed: Path, unsigned: Path, other_key: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    assert "not signed" in refused(unsigned.read_bytes(), tmp_path / "1", key=keys[1])
    assert "made it" in refused(signed.read_bytes(), tmp_path / "2", key=other_key)
    files = members(signed)
    signature = files.pop(SIGNATURE)
    # all fits together but the signature, which is of what it was before
    manifest = json.loads(files.pop(MANIFEST))
    del files[SUMS]
    files["cards/models-yolov8n.yaml"] += b"\n"
    told = forge(files, manifest)
    at = told.index(f"{FOLDER}/{README}".encode().ljust(100, b"\0"))
    signature += bytes(-len(signature) % BLOCK)
    length = len(signature.rstrip(b"\0"))
    told = told[:at] + header(f"{FOLDER}/{SIGNATURE}", length) + signature + told[at:]
    told = told.rstrip(b"\0")
    told += bytes(-len(told) % BLOCK + 2 * BLOCK)
    told += bytes(-len(told) % tarfile.RECORDSIZE)
    (tmp_path / "sound.tar").write_bytes(told)
    assert unpack(tmp_path / "sound.tar", tmp_path / "sound").signed
    assert "changed since" in refused(told, tmp_path / "3", key=keys[1])


@settings(max_examples=250)
@given(data=st.data())
def test_any_change_is_refused(signed: Path, keys: tuple[Path, Path], data: st.DataObject) -> None:
    """A byte changed, taken out or put in anywhere; with no key, the signature alone may differ."""
    whole = signed.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["change", "remove", "insert", "cut", "append", "swap"]))
    if how == "change":
        other = bytes([whole[at] ^ data.draw(st.integers(1, 255))])
        changed = whole[:at] + other + whole[at + 1 :]
    elif how == "remove":
        changed = whole[:at] + whole[at + data.draw(st.sampled_from([1, BLOCK])) :]
    elif how == "insert":
        changed = whole[:at] + data.draw(st.binary(min_size=1, max_size=BLOCK)) + whole[at:]
    elif how == "cut":
        changed = whole[:at]
    elif how == "append":
        changed = whole + data.draw(st.binary(min_size=1, max_size=2 * BLOCK))
    else:
        block, with_ = (data.draw(st.integers(0, len(whole) // BLOCK - 1)) * BLOCK for _ in "ab")
        changed = bytearray(whole)
        changed[block : block + BLOCK] = whole[with_ : with_ + BLOCK]
        changed[with_ : with_ + BLOCK] = whole[block : block + BLOCK]
        changed = bytes(changed)
    for key in (None, keys[1]):
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "a.tar").write_bytes(changed)
            try:
                unpack(folder / "a.tar", folder / "out", key=key)
            except ParcelError:
                assert [path.name for path in folder.iterdir()] == ["a.tar"]
                continue
            found, was = tree(folder / "out"), members(signed)
            if key is None:
                found[SIGNATURE] = was[SIGNATURE]
            assert found == was
            assert key is None or changed == whole


def test_every_file_is_the_one_that_is_named(unsigned: Path, tmp_path: Path) -> None:
    whole = unsigned.read_bytes()
    with tarfile.open(unsigned) as tar:
        starts = {info.name: info.offset_data for info in tar}
    for number, (name, start) in enumerate(starts.items()):
        told = refused(whole[:start] + b"\1" + whole[start + 1 :], tmp_path / str(number))
        if not name.endswith((MANIFEST, SUMS)):
            assert f"{name.partition('/')[2]} is not the file its manifest names" in told


def test_nothing_hides_behind_a_file(unsigned: Path, tmp_path: Path) -> None:
    """Files end within a block, and the archive within a record: what is left over is empty."""
    whole = unsigned.read_bytes()
    with tarfile.open(unsigned) as tar:
        ends = [info.offset_data + -(-info.size // BLOCK) * BLOCK - 1 for info in tar]
    ends = [end for end in ends if not whole[end]]
    assert len(ends) > 10
    hidden = [whole[:end] + b"x" + whole[end + 1 :] for end in (*ends, len(whole) - 1)]
    behind = [whole + more for more in (b"x", bytes(BLOCK), bytes(tarfile.RECORDSIZE), whole)]
    for number, changed in enumerate([*hidden, *behind, whole[:-BLOCK], whole[:-1]]):
        assert refused(changed, tmp_path / str(number))


@settings(max_examples=60)
@given(data=st.binary(max_size=4 * BLOCK))
def test_any_bytes_are_refused(data: bytes) -> None:
    with TemporaryDirectory() as name:
        (Path(name) / "a.tar").write_bytes(data)
        with pytest.raises(ParcelError):
            unpack(Path(name) / "a.tar", Path(name) / "out")


@pytest.mark.parametrize(
    "path",
    [
        "../out", "bundle/../../out", "/etc/passwd", "bundle//x", "bundle/./x", "bundle/x/", ".",
        "C:/x", "bundle\\x", "bundle/a:b", "bundle/con", "bundle/NUL.txt", "bundle/x.", "bundle/x ",
        "bundle/.hidden", "bundle/-rf", "bundle/new\nline", "bundle/a\0b", "other.txt", "home/x",
        "bundle/a/b/c/d", f"bundle/{80 * 'x'}/{80 * 'y'}", MANIFEST, SUMS, SIGNATURE,
    ],
)  # fmt: skip
def test_names_that_lead_elsewhere(
    path: str, parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    files, manifest = parts
    told = refused(forge({**files, path: b"x"}, manifest, header=_anyhow), tmp_path)
    assert "not a path that a parcel may hold" in told


def _anyhow(path: str, size: int) -> bytes | None:
    """A header for names that ``kit pack`` would not write."""
    info = tarfile.TarInfo(f"{FOLDER}/{path}")
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "replace")[:BLOCK]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("samples/a.jpg", "samples/A.jpg"),
        ("licences/a/b", "licences/A/c"),
        ("licences/a", "licences/a/b"),
        ("licences/B", "licences/b/c"),
    ],
)
def test_names_that_are_one_on_some_disks(
    one: str, other: str, parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    files, manifest = parts
    told = refused(forge({**files, one: b"1", other: b"2"}, manifest), tmp_path)
    assert "one on some disks" in told


@pytest.mark.parametrize(
    "made",
    [
        swapped(type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        swapped(type=tarfile.LNKTYPE, linkname=f"{FOLDER}/{README}"),
        swapped(type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        swapped(type=tarfile.BLKTYPE),
        swapped(type=tarfile.FIFOTYPE),
        swapped(type=tarfile.DIRTYPE),
        swapped(type=tarfile.CONTTYPE),
        swapped(type=tarfile.GNUTYPE_SPARSE),
        swapped(type=tarfile.XHDTYPE),
        swapped(type=tarfile.GNUTYPE_LONGNAME),
        swapped(mode=0o4755),
        swapped(uid=1000),
        swapped(mtime=1),
        swapped(uname="root"),
        swapped(size=0),
        swapped(size=1 << 32),
        swapped(name=f"{FOLDER}/bundle/x"),
        swapped(name="../bundle/card.json"),
        swapped(name="/bundle/card.json"),
        lambda path, size: bytes(BLOCK),
    ],
)
def test_a_header_that_says_anything_else(
    made: Callable[[str, int], bytes],
    parts: tuple[dict[str, bytes], dict[str, Any]],
    tmp_path: Path,
) -> None:
    def only_one(path: str, size: int) -> bytes | None:
        return made(path, size) if path == "bundle/w.onnx" else None

    assert refused(forge(*parts, header=only_one), tmp_path)


def test_more_or_less_than_the_manifest_says(
    parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    files, manifest = parts
    whole = json_bytes(manifest_of(files, manifest))
    extra = header(f"{FOLDER}/bundle/x", 1) + b"x".ljust(BLOCK, b"\0")
    twice = header(f"{FOLDER}/{README}", 1) + b"x".ljust(BLOCK, b"\0")
    for place, last in (("1", extra), ("2", twice)):
        assert "more in it" in refused(forge(files, manifest, last=last), tmp_path / place)
    fewer = {path: data for path, data in files.items() if path != "bundle/w.onnx"}
    assert SUMS in refused(forge(fewer, manifest, told=whole), tmp_path / "3")


def test_sums_that_tell_of_others(
    parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    """Whoever checks by hand and whoever checks by the kit see the same."""
    files, manifest = parts
    told = json_bytes(manifest_of({**files, README: b"other".ljust(len(files[README]))}, manifest))
    assert "tell of different files" in refused(forge(files, manifest, told=told), tmp_path)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"schema": 2}, "has schema 2, this version reads schema 1"),
        ({"schema": True}, "has schema True"),
        ({"schema": None}, "has schema None"),
        ({"name": "../x"}, "not a name for its folder"),
        ({"name": "other"}, "its folder is 'cells', not other"),
        ({"image": "\x1b[2J"}, "not a short, printable text"),
        ({"lock": "x" * 999}, "not a short, printable text"),
        ({"new": 1}, "unknown key"),
        ({"bundle": None}, "bundle"),
        ({"made_by": 3}, "not written as|made_by"),
        ({"target": {"python": "3.11; rm", "machine": "x86_64"}}, "python must be like 3.11"),
        ({"target": {"python": "3.11", "machine": "$(id)"}}, "machine must be like x86_64"),
    ],
)
def test_manifests_that_are_refused(
    change: dict[str, Any],
    why: str,
    parts: tuple[dict[str, bytes], dict[str, Any]],
    tmp_path: Path,
) -> None:
    files, manifest = parts
    data = forge(files, {**manifest, **change}, folder=FOLDER)
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(refused(data, tmp_path))


def test_a_manifest_in_another_spelling(
    parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    files, manifest = parts
    good = json_bytes(manifest_of(files, manifest))
    for place, told in enumerate(
        (
            good + b"\n",
            json.dumps(json.loads(good)).encode(),
            good.replace(b'"schema": 1', b'"schema": 1.0'),
            good.replace(b'"schema": 1', b'"schema": 2,\n  "schema": 1'),
            b"{",
            b"[" * 100_000,
            b"\xff",
            b"[]",
        )
    ):
        assert "manifest" in refused(forge(files, manifest, told=told), tmp_path / str(place))


def test_limits(
    parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, manifest = parts
    data = forge(files, manifest)
    for place, (limit, value) in enumerate((("MOST_FILES", len(files) - 1), ("TOTAL", 1000))):
        with monkeypatch.context() as patch:
            patch.setattr(rules, limit, value)
            assert "more than the limit" in refused(data, tmp_path / str(place))
    told = json_bytes(manifest_of(files, manifest)).replace(
        f'"size": {len(files[README])}'.encode(), b'"size": 9000000000'
    )
    assert "a size must lie in" in refused(forge(files, manifest, told=told), tmp_path / "size")
    huge = header(f"{FOLDER}/{MANIFEST}", 1 << 32)
    assert "more than the limit" in refused(huge, tmp_path / "manifest")


def test_other_kinds_of_files(unsigned: Path, tmp_path: Path) -> None:
    assert "compressed (gzip)" in refused(gzip.compress(unsigned.read_bytes()), tmp_path / "1")
    for place, data in (("2", b""), ("3", b"hello"), ("4", bytes(10240)), ("5", b"PK\3\4")):
        assert refused(data, tmp_path / place)
    with pytest.raises(ParcelError, match="No such file"):
        unpack(tmp_path / "none.tar", tmp_path / "out")
    with pytest.raises(ParcelError, match="Is a directory"):
        unpack(tmp_path, tmp_path / "out")


def test_another_bundle_or_other_wheels_than_it_says(
    parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path
) -> None:
    files, manifest = parts
    other = tiny_bundle(tmp_path / "other", name="another").directory / "card.json"
    swapped_card = {**files, "bundle/card.json": other.read_bytes()}
    assert "another bundle" in refused(forge(swapped_card, manifest), tmp_path / "1")
    more = {**files, "wheels/evil-1.0-py3-none-any.whl": b"PK"}
    assert "not those of its requirements" in refused(forge(more, manifest), tmp_path / "2")
    torn = {**files, "bundle/w.onnx": b"Weights"}
    assert "not the file the card names" in refused(forge(torn, manifest), tmp_path / "3")


def test_it_needs_no_extra(unsigned: Path, tmp_path: Path) -> None:
    """What is packed with the extra `supply` is unpacked without."""
    absent = ("cyclonedx", "license_expression", "packaging", "cryptography")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({absent!r}))\n"
        "from pathlib import Path\n"
        "from kit.parcel.unpack import unpack\n"
        "print(len(unpack(Path(sys.argv[1]), Path(sys.argv[2])).manifest.files))"
    )
    words = [sys.executable, "-c", code, unsigned, tmp_path / "out"]
    told = subprocess.run(words, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert int(told.stdout) > 10


def test_out_that_exists(unsigned: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        unpack(unsigned, tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_no_room_is_told_before_a_byte_is_written(
    unsigned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1, 1, 10))
    with pytest.raises(RunFailed, match="make room"):
        unpack(unsigned, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_stopped_half_way_nothing_is_left(
    stop: BaseException, unsigned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stops:
        def track(self, items: Any, label: object, total: object = None) -> Any:
            for number, item in enumerate(items):
                if number == 5:
                    assert len(list(tmp_path.iterdir())) == 1  # beside, being filled
                    raise stop
                yield item

        def note(self, text: str) -> None: ...

    with pytest.raises((KeyboardInterrupt, OSError)):
        unpack(unsigned, tmp_path / "out", progress=Stops())
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_small(parts: tuple[dict[str, bytes], dict[str, Any]], tmp_path: Path) -> None:
    """A large file passes through in pieces."""
    import tracemalloc

    files, manifest = parts
    big = {**files, "image/archive.tar": os.urandom(1) * (48 << 20)}
    (tmp_path / "big.tar").write_bytes(forge(big, manifest))
    del big
    tracemalloc.start()
    unpack(tmp_path / "big.tar", tmp_path / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
