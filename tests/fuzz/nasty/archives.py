"""Archives that datasets come in."""

from __future__ import annotations

import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path

from fuzz import seeds
from fuzz.nasty import Look, case
from fuzz.targets import BY_NAME

MB = 1 << 20


def unpacks(folder: Path, data: bytes) -> Look:
    """What of a dataset's archive arrives; nothing may appear beside it."""
    (folder / "in").mkdir()

    def look() -> object:
        BY_NAME["zip archive"].parse(data, folder / "in")
        assert [path.name for path in folder.iterdir()] == ["in"]
        root = folder / "in" / "to"
        return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())

    return look


WHOLE = {"data.yaml": seeds.DATA_YAML, "images/a.png": seeds.picture(), "labels/a.txt": seeds.YOLO}
ALL = r"\['data\.yaml', 'images/a\.png', 'labels/a\.txt'\]"


def with_one(name: str, data: bytes = b"x") -> bytes:
    return seeds.zipped({**WHOLE, name: data})


def tar_with(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        whole = [(tarfile.TarInfo(name), data) for name, data in WHOLE.items()]
        for member, data in (*whole, *members):
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def link(name: str, to: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    return member, b""


@case(rf"read: {ALL}")
def zip_with_code_and_caches(folder: Path) -> Look:
    names = [
        "labels.cache",
        "images/a.npy",
        "setup.py",
        "a.so",
        ".a.png",
        "__MACOSX/a.png",
        "x.zip",
    ]
    others = dict.fromkeys(names, b"x")
    return unpacks(folder, seeds.zipped({**WHOLE, **others}))


@case(r"refused \(2\).*outside its folder")
def zip_that_climbs(folder: Path) -> Look:
    return unpacks(folder, with_one("../../evil.txt"))


@case(r"refused \(2\).*outside its folder")
def zip_from_the_root(folder: Path) -> Look:
    return unpacks(folder, with_one("/tmp/evil.txt"))


@case(r"refused \(2\).*outside its folder")
def zip_that_climbs_as_windows_does(folder: Path) -> Look:
    return unpacks(folder, with_one("..\\evil.txt"))


@case(r"refused \(2\).*outside its folder")
def zip_of_another_drive(folder: Path) -> Look:
    return unpacks(folder, with_one("C:\\evil.txt"))


@case(r"refused \(2\).*characters that nobody sees")
def zip_with_a_name_that_reads_backwards(folder: Path) -> Look:
    return unpacks(folder, with_one("images/a\u202egnp.txt"))


@case(r"refused \(2\).*too long")
def zip_with_a_name_that_is_too_long(folder: Path) -> Look:
    return unpacks(folder, with_one("a" * 5000 + ".txt"))


@case(r"refused \(2\).*damaged one \(Invalid data stream\)")
def zip_that_is_damaged_within_bzip2(folder: Path) -> Look:
    whole = seeds.zipped(WHOLE, zipfile.ZIP_BZIP2)
    return unpacks(folder, whole.replace(b"BZh9", b"BZh0"))


@case(r"refused \(2\).*is in it twice")
def zip_with_a_file_twice(folder: Path) -> Look:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in (*WHOLE.items(), *WHOLE.items()):
            archive.writestr(zipfile.ZipInfo(name), data)
    return unpacks(folder, file.getvalue())


@case(r"refused \(2\).*unpacks to more than")
def zip_bomb(folder: Path) -> Look:
    return unpacks(folder, with_one("labels/b.txt", bytes(60 * MB)))


@case(r"refused \(2\).*(unpacks to more than|damaged one)")
def zip_bomb_of_files_that_overlap(folder: Path) -> Look:
    """All of the list at the same packed bytes: Fifield, "A better zip bomb" (2019)."""
    local = seeds.zipped({"labels/00.txt": bytes(MB)})
    at = local.rfind(b"PK\1\2")
    entry = local[at : local.rfind(b"PK\5\6")]
    entries = b"".join(
        entry.replace(b"labels/00.txt", b"labels/%02d.txt" % number) for number in range(60)
    )
    heads = bytearray(local[:at])
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 60, 60, len(entries), len(heads), 0)
    return unpacks(folder, bytes(heads) + entries + end)


@case(r"refused \(2\).*more than 100 files")
def zip_of_too_many_files(folder: Path) -> Look:
    return unpacks(folder, seeds.zipped({f"a{number}.txt": b"" for number in range(101)}))


@case(r"refused \(2\).*more than 100 files")
def zip_of_too_many_files_that_are_left_out(folder: Path) -> Look:
    return unpacks(folder, seeds.zipped({f"a{number}.bin": b"" for number in range(101)}))


@case(r"refused \(2\).*more than 100 files")
def zip_that_says_it_has_65000_files(folder: Path) -> Look:
    data = bytearray(seeds.zipped(WHOLE))
    at = data.rfind(b"PK\5\6")
    data[at + 8 : at + 12] = struct.pack("<HH", 65_000, 65_000)
    return unpacks(folder, bytes(data))


@case(r"refused \(2\).*not a zip or tar archive")
def zip_with_a_password(folder: Path) -> Look:
    data = bytearray(seeds.zipped(WHOLE))
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = data.find(mark)
        data[start + at] |= 1
    return unpacks(folder, bytes(data))


@case(rf"read: {ALL}")
def zip_with_links(folder: Path) -> Look:
    file = io.BytesIO(seeds.zipped(WHOLE))
    with zipfile.ZipFile(file, "a") as archive:
        entry = zipfile.ZipInfo("labels/b.txt")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return unpacks(folder, file.getvalue())


@case(rf"read: {ALL}")
def tar_with_links_and_devices(folder: Path) -> Look:
    device = link("images/null.png", "", tarfile.CHRTYPE)
    device[0].devmajor, device[0].devminor = 1, 5
    return unpacks(
        folder,
        tar_with(
            link("labels/b.txt", "/etc/passwd", tarfile.SYMTYPE),
            link("labels/c.txt", "/etc/passwd", tarfile.LNKTYPE),
            link("labels/pipe.txt", "", tarfile.FIFOTYPE),
            device,
        ),
    )


@case(r"refused \(2\).*is in it twice|read: " + ALL)
def tar_that_writes_through_its_own_link(folder: Path) -> Look:
    evil = tarfile.TarInfo("out/evil.bin")
    return unpacks(folder, tar_with(link("out", "/tmp", tarfile.SYMTYPE), (evil, b"x")))


@case(r"refused \(2\).*outside its folder")
def tar_that_climbs(folder: Path) -> Look:
    return unpacks(folder, tar_with((tarfile.TarInfo("../evil.txt"), b"x")))


@case(r"refused \(2\).*header of unreasonable length")
def tar_with_a_header_of_a_gigabyte(folder: Path) -> Look:
    head = tarfile.TarInfo("././@LongLink")
    head.type, head.size = tarfile.GNUTYPE_LONGNAME, 900 * MB
    return unpacks(folder, gzip.compress(head.tobuf() + bytes(20 * MB), 9))


@case(r"refused \(2\).*unpacks to more than")
def tar_bomb(folder: Path) -> Look:
    return unpacks(folder, tar_with((tarfile.TarInfo("b.txt"), bytes(60 * MB)), mode="w:gz"))


@case(r"refused \(2\).*unpacks to more than")
def tar_bomb_in_a_file_that_is_left_out(folder: Path) -> Look:
    return unpacks(folder, tar_with((tarfile.TarInfo("b.bin"), bytes(60 * MB)), mode="w:xz"))


@case(r"refused \(2\).*(holds no yolo dataset|unpacks to more than)")
def xz_of_nothing_but_zeros(folder: Path) -> Look:
    return unpacks(folder, lzma.compress(bytes(60 * MB)))


@case(r"refused \(2\).*not a zip or tar archive|refused \(2\).*holds no yolo dataset")
def gzip_of_itself(folder: Path) -> Look:
    data = seeds.tarred(WHOLE)
    for _ in range(20):
        data = gzip.compress(data)
    return unpacks(folder, data)


@case(r"refused \(2\).*outside its folder")
def zip_with_a_file_without_a_name(folder: Path) -> Look:
    return unpacks(folder, with_one(""))
