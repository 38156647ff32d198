"""Pictures and videos."""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import closing
from pathlib import Path

from fuzz import seeds
from fuzz.nasty import Look, case


def reads(path: Path) -> Look:
    def look() -> object:
        from kit.pixels import read_picture

        return read_picture(path).shape

    return look


def put(folder: Path, data: bytes, name: str = "a.png") -> Look:
    (folder / name).write_bytes(data)
    return reads(folder / name)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, data: bytes, *, colour: int = 2, before: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + before + body


@case(r"refused \(2\).*30000 x 30000 pixels, more than|refused \(2\).*too large")
def png_of_900_megapixels(folder: Path) -> Look:
    return put(folder, png(30_000, 30_000, bytes(100_000)))


@case(r"refused \(2\).*12500 x 12000 pixels, more than the limit")
def png_of_150_megapixels(folder: Path) -> Look:
    """Pillow's own limit lies above, OpenCV's is another message."""
    return put(folder, png(12_500, 12_000, bytes(100_000)))


@case(r"refused \(2\).*(too large|pixels)")
def png_wider_than_numbers(folder: Path) -> Look:
    return put(folder, png(0x7FFFFFFF, 0x7FFFFFFF, b"\0"))


@case(r"read: \(6000, 6000, 3\)")
def large_picture_with_alpha_stays_in_bounds(folder: Path) -> Look:
    rows = bytes(6000 * 4 + 1) * 6000
    return put(folder, png(6000, 6000, rows, colour=6))


@case(r"refused \(2\).*not a picture")
def png_text_bomb(folder: Path) -> Look:
    bomb = chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(80 << 20), 9))
    return put(folder, png(1, 1, b"\0\0\0\0", before=bomb))


@case(r"refused \(2\)|read: \(1, 1, 3\)")
def png_profile_bomb(folder: Path) -> Look:
    bomb = chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(100 << 20), 9))
    return put(folder, png(1, 1, b"\0\0\0\0", before=bomb))


@case(r"refused \(2\).*cut off")
def cut_jpeg(folder: Path) -> Look:
    whole = seeds.picture("JPEG")
    return put(folder, whole[: len(whole) * 2 // 3])


@case(r"read: \(30, 40, 3\)|refused \(2\)")
def exif_that_points_at_itself(folder: Path) -> Look:
    ifd = b"MM\0*\0\0\0\x08" + struct.pack(">HHHII", 1, 0x8769, 4, 1, 8) + struct.pack(">I", 8)
    exif = b"Exif\0\0" + ifd
    whole = seeds.picture("JPEG")
    return put(
        folder, whole[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + whole[2:]
    )


@case(r"refused \(2\)")
def tiff_whose_directories_are_a_ring(folder: Path) -> Look:
    ifd = struct.pack("<HHHIII", 1, 0x0112, 3, 1, 1, 8)
    return put(folder, b"II*\0" + struct.pack("<I", 8) + ifd, "a.tif")


@case(r"refused \(2\)")
def tiff_with_more_strips_than_bytes(folder: Path) -> Look:
    tags = [(256, 4, 1, 9000), (257, 4, 1, 9000), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1 << 28, 8), (277, 3, 1, 1), (278, 4, 1, 1), (279, 4, 1 << 28, 8)]  # fmt: skip
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return put(folder, b"II*\0" + struct.pack("<I", 8) + ifd + b"\0\0\0\0", "a.tif")


@case(r"refused \(2\)")
def bmp_of_negative_size(folder: Path) -> Look:
    header = struct.pack("<IiiHHIIiiII", 40, -5, -(1 << 31), 1, 24, 0, 0, 0, 0, 0, 0)
    return put(folder, b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + header, "a.bmp")


@case(r"refused \(2\).*not a picture")
def postscript_named_png(folder: Path) -> Look:
    return put(folder, b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n")


@case(r"refused \(2\).*not a picture")
def html_named_jpg(folder: Path) -> Look:
    return put(folder, b"<html><script>alert(1)</script>", "a.jpg")


@case(r"read: \(30, 40, 3\)")
def picture_that_is_a_zip_too(folder: Path) -> Look:
    return put(folder, seeds.picture() + seeds.zipped({"evil.py": b"raise SystemExit"}))


@case(r"refused \(2\).*not a regular file|refused \(2\).*not a picture")
def pipe_named_png(folder: Path) -> Look:
    os.mkfifo(folder / "a.png")
    return reads(folder / "a.png")


@case(r"refused \(2\).*not a regular file")
def device_named_png(folder: Path) -> Look:
    (folder / "a.png").symlink_to("/dev/zero")
    return reads(folder / "a.png")


def plays(path: Path) -> Look:
    def look() -> object:
        from kit.runtime.stream import Video

        with closing(Video(path)) as video:
            return len(list(zip(range(8), video, strict=False)))

    return look


def film(folder: Path, data: bytes, name: str = "a.mp4") -> Look:
    (folder / name).write_bytes(data)
    return plays(folder / name)


@case(r"refused \(2\).*not a video")
def playlist_named_mp4(folder: Path) -> Look:
    (folder / "secret.mp4").write_bytes(seeds.videos()[0])
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{folder.resolve()}/secret.mp4\n"
    return film(folder, f"{text}#EXT-X-ENDLIST\n".encode())


@case(r"refused \(2\).*not a video")
def concat_script_named_mp4(folder: Path) -> Look:
    (folder / "secret.mp4").write_bytes(seeds.videos()[0])
    return film(folder, b"ffconcat version 1.0\nfile secret.mp4\n")


@case(r"refused \(2\).*not a video")
def description_of_a_session_named_mp4(folder: Path) -> Look:
    return film(
        folder, b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"
    )


@case(r"refused \(2\).*not a video")
def mp4_of_boxes_inside_boxes(folder: Path) -> Look:
    data = b""
    for _ in range(5000):
        data = struct.pack(">I", min(len(data) + 8, 0xFFFFFFFF)) + b"moov" + data
    return film(folder, data)


@case(r"refused \(2\).*not a video")
def mp4_whose_boxes_are_longer_than_it(folder: Path) -> Look:
    return film(folder, seeds.videos()[0].replace(b"moov", b"moov\x7f\xff\xff\xff")[:400])


@case(r"read: 4")
def avi_whose_head_tells_of_huge_frames(folder: Path) -> Look:
    data = next(each for each in seeds.videos() if each.startswith(b"RIFF"))
    size = struct.pack("<II", 64, 48)
    assert size in data
    return film(folder, data.replace(size, struct.pack("<II", 60_000, 60_000)), "a.avi")
