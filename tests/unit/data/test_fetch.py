from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import urllib.error
import zipfile
from pathlib import Path
from typing import Any, ClassVar

import pytest

from kit import network
from kit.binding import replace
from kit.cards import DatasetCard, Source
from kit.data.fetch import Limits, fetch, unpack
from kit.data.source import dataset_folder
from kit.errors import DataError, UsageError

CARD = DatasetCard("zoo", "zoo", "yolo", ("ape",), "CC0", "the zoo")
FILES = {
    "zoo/images/a.jpg": "",
    "zoo/labels/a.txt": "0 0.5 0.5 0.1 0.1\n",
    "zoo/data.yaml": "names: [ape]",
}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KIT_DATA", raising=False)


@pytest.fixture
def archive(folder, tmp_path: Path):
    """Pack files (and further raw members) into a zip."""

    def pack(extra: dict[str, bytes] | None = None, files: dict[str, str] = FILES) -> Path:
        root = folder(files)
        path = tmp_path / "zoo.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name in files:
                target.write(root / name, name)
            for name, data in (extra or {}).items():
                target.writestr(name, data)
        return path

    return pack


def nothing_left(tmp_path: Path) -> bool:
    return not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_from_a_zip_a_tar_and_a_folder(archive, tmp_path: Path) -> None:
    path = archive(
        {"setup.py": b"raise SystemExit", "zoo/labels.cache": b"x", "__MACOSX/a.jpg": b"x"}
    )
    with tarfile.open(tmp_path / "zoo.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "set/zoo", "zoo")
    for number, origin in enumerate((path, tmp_path / "zoo.tar.gz", tmp_path / "set")):
        card = replace(CARD, name=f"zoo{number}")
        target = fetch(card, origin)
        assert dataset_folder(card) == target
        assert sorted(p.name for p in target.rglob("*") if p.is_file()) == [
            "a.jpg",
            "a.txt",
            "data.yaml",
        ]


def test_what_is_here_is_not_overwritten(archive) -> None:
    path = archive()
    fetch(CARD, path)
    with pytest.raises(UsageError, match="here already"):
        fetch(CARD, path)


@pytest.mark.parametrize(
    "name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:\\evil.txt"]
)
def test_members_can_not_leave_the_folder(archive, tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="outside its folder"):
        fetch(CARD, archive({name: b"x"}))
    assert nothing_left(tmp_path)
    assert not list(tmp_path.rglob("evil.txt"))


def test_links_are_left_out(archive, tmp_path: Path) -> None:
    entry = zipfile.ZipInfo("zoo/images/link.jpg")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = archive()
    with zipfile.ZipFile(path, "a") as target:
        target.writestr(entry, "/etc/passwd")
    assert not list(fetch(CARD, path).rglob("link.jpg"))
    with tarfile.open(tmp_path / "zoo.tar", "w") as tar:
        tar.add(tmp_path / "set/zoo", "zoo")
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"zoo/{kind!r}.jpg")
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
    found = fetch(replace(CARD, name="tarred"), tmp_path / "zoo.tar")
    assert sorted(p.name for p in found.rglob("*.jpg")) == ["a.jpg"]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(files=2), "more than 2 files"),
        (Limits(bytes=1000), "unpacks to more than"),
        (Limits(ratio=10, floor=0), "unpacks to more than"),
    ],
)
def test_bombs_are_stopped(archive, tmp_path: Path, limits: Limits, message: str) -> None:
    path = archive({"zoo/bomb.txt": b"0" * 5_000_000})
    with pytest.raises(DataError, match=message):
        unpack(CARD, path, tmp_path / "cache/zoo", limits=limits)
    assert nothing_left(tmp_path)


def test_damaged_and_other_files(archive, tmp_path: Path) -> None:
    path = archive()
    data = bytearray(path.read_bytes())
    data[60:90] = bytes(30)
    path.write_bytes(data)
    (tmp_path / "text.zip").write_text("hello")
    for origin in (path, tmp_path / "text.zip"):
        with pytest.raises(DataError, match="not a zip or tar archive"):
            fetch(CARD, origin)
    with pytest.raises(DataError, match="no such file"):
        fetch(CARD, tmp_path / "nowhere.zip")
    assert nothing_left(tmp_path)


def test_what_is_inside_must_be_the_dataset(archive, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no yolo dataset"):
        fetch(CARD, archive(files={"readme.md": "hello"}))
    with pytest.raises(DataError, match="cow differ"):
        fetch(CARD, archive(files={**FILES, "zoo/data.yaml": "names: [cow]"}))
    assert nothing_left(tmp_path)


def test_a_card_without_a_digest_is_not_downloaded() -> None:
    for source in (None, Source("https://example.org/zoo.zip")):
        with pytest.raises(UsageError, match="--from PATH"):
            fetch(replace(CARD, source=source))
    with pytest.raises(DataError, match="not https"):
        fetch(replace(CARD, source=Source("http://example.org/zoo.zip", "0" * 64)))


class Answer(io.BytesIO):
    headers: ClassVar[dict[str, str]] = {}


def test_a_download_is_checked_by_its_digest(
    archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = archive().read_bytes()
    monkeypatch.setattr(network, "open_https", lambda url: Answer(data))
    good = replace(CARD, source=Source("https://example.org/z", hashlib.sha256(data).hexdigest()))
    assert (fetch(good) / "zoo/data.yaml").is_file()
    with pytest.raises(DataError, match="the card names"):
        fetch(replace(good, name="other", source=Source("https://example.org/z", "0" * 64)))
    assert [p.name for p in (tmp_path / "cache/data").iterdir()] == ["zoo"]


def test_a_network_error_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(url: str) -> Any:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(network, "open_https", fail)
    with pytest.raises(DataError, match="no route to host"):
        fetch(replace(CARD, source=Source("https://example.org/z", "0" * 64)))
    assert nothing_left(tmp_path)
