from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile, ImageOps

from kit import pixels
from kit.errors import DataError, OutOfMemory
from kit.pixels import decode_picture, encode_picture, is_picture, picture_size, read_picture

# What is stored so that, turned as the tag says, the same picture comes out (EXIF 2.32, 4.6.4).
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


@pytest.fixture
def colours() -> np.ndarray:
    """``(6, 10, 3)`` RGB, no two places alike."""
    return np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_gives_the_same_upright_picture(
    tmp_path: Path, colours: np.ndarray, orientation: int, suffix: str
) -> None:
    turn = STORED[orientation]
    stored = Image.fromarray(colours)
    stored = stored if turn is None else stored.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    stored.save(path, exif=exif, **({"lossless": True} if suffix == ".webp" else {}))
    np.testing.assert_array_equal(read_picture(path), colours[..., ::-1])
    assert picture_size(path) == (10, 6)


@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_is_turned_as_pillow_turns_it(tmp_path: Path, orientation: int) -> None:
    smooth = cv2.resize(np.random.default_rng(1).integers(0, 256, (3, 4, 3), np.uint8), (64, 48))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.fromarray(smooth).save(path, exif=exif, quality=95)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    ours = read_picture(path)[..., ::-1]
    assert picture_size(path) == (ours.shape[1], ours.shape[0])
    assert np.abs(ours.astype(int) - wanted).max() <= 4  # two JPEG decoders


def test_grey_becomes_three_equal_channels(tmp_path: Path, colours: np.ndarray) -> None:
    for mode, levels in (("L", colours[..., 0]), ("1", (colours[..., 0] > 127) * 255)):
        image = Image.fromarray(colours[..., 0])
        (image if mode == "L" else image.point(lambda v: 255 * (v > 127)).convert("1")).save(
            tmp_path / "a.png"
        )
        picture = read_picture(tmp_path / "a.png")
        np.testing.assert_array_equal(picture, np.repeat(levels[..., None], 3, axis=2))


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    rgba = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    Image.fromarray(rgba, "RGBA").save(tmp_path / "a.png")
    wanted = [[[0, 100, 200], [255, 255, 255], [204, 224, 244]]]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), wanted)


def test_alpha_is_laid_on_once_whatever_the_format(tmp_path: Path) -> None:
    """OpenCV multiplies the colours of a TIFF with its alpha while reading."""
    half = np.full((4, 4, 4), (200, 100, 0, 128), np.uint8)
    for suffix in (".png", ".tif", ".webp"):
        Image.fromarray(half).save(
            tmp_path / f"a{suffix}", **({"lossless": True} if suffix == ".webp" else {})
        )
        assert read_picture(tmp_path / f"a{suffix}")[0, 0].tolist() == [127, 177, 227]


def test_a_palette_is_looked_up(tmp_path: Path, colours: np.ndarray) -> None:
    few = Image.fromarray(colours).quantize(8)
    few.save(tmp_path / "a.png")
    wanted = np.asarray(few.convert("RGB"))[..., ::-1]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), wanted)


def test_grey_with_alpha(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[80, 255], [80, 0]]], np.uint8), "LA").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png")[0, :, 0], [80, 255])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_twelve_bits_in_sixteen(tmp_path: Path, suffix: str) -> None:
    levels = np.array([[0, 1, 2048, 4095]], np.uint16)
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), levels)
    assert read_picture(path, bit_depth=12)[0, :, 0].tolist() == [0, 0, 128, 255]
    assert read_picture(path)[0, :, 0].tolist() == [0, 0, 8, 16]  # dark, and not stretched
    with pytest.raises(DataError, match="above the declared 10 bits"):
        read_picture(path, bit_depth=10)


def test_sixteen_bits_of_colour(tmp_path: Path) -> None:
    levels = np.array([[[0, 32768, 65535], [257, 514, 771]]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), levels)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), [[[0, 128, 255], [1, 2, 3]]])


def test_alpha_fills_its_type_whatever_the_camera() -> None:
    pixels = np.full((4, 4, 4), 4095, np.uint16)
    pixels[..., 3] = 65535
    pixels[0, 0, 3] = 0
    done, data = cv2.imencode(".png", pixels)
    assert done
    assert (decode_picture(data.tobytes(), bit_depth=12) == 255).all()
    pixels[1, 1, 0] = 4096
    with pytest.raises(DataError, match="declared 12 bits"):
        decode_picture(cv2.imencode(".png", pixels)[1].tobytes(), bit_depth=12)


def test_floats_have_no_agreed_range(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), np.ones((4, 4), np.float32))
    with pytest.raises(DataError, match="no agreed range"):
        read_picture(tmp_path / "a.tif")


def test_a_cmyk_jpeg_has_the_colours_a_viewer_shows(tmp_path: Path) -> None:
    red = Image.new("RGB", (32, 32), (200, 30, 40)).convert("CMYK")
    red.save(tmp_path / "a.jpg", quality=95)
    blue, green, red_ = read_picture(tmp_path / "a.jpg")[16, 16].astype(int)
    assert red_ > 170
    assert max(blue, green) < 70


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_picture_cut_off_is_an_error(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    data = encode_picture(noise, suffix)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"cut off|decoded|damaged"):
        read_picture(path)


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    (tmp_path / "b.jpg").write_bytes(b"")
    for name in ("a.jpg", "b.jpg"):
        for read in (read_picture, picture_size):
            with pytest.raises(DataError, match="not a picture"):
                read(tmp_path / name)
    for read in (read_picture, picture_size):
        with pytest.raises(DataError, match="can't be read"):
            read(tmp_path / "nowhere.jpg")
        with pytest.raises(DataError, match="can't be read"):
            read(tmp_path)


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "size", [(12_000, 11_000), (20_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)]
)
def test_a_size_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *a: pytest.fail("decoded"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *a: pytest.fail("decoded"))
    (tmp_path / "a.png").write_bytes(bomb(*size))
    with pytest.raises(DataError, match=r"more than the limit|too large"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"more than the limit|too large"):
        picture_size(tmp_path / "a.png")


def test_the_limit_can_be_lowered(colours: np.ndarray) -> None:
    data = encode_picture(np.ascontiguousarray(colours), ".png")
    assert decode_picture(data, max_pixels=60).shape == (6, 10, 3)
    with pytest.raises(DataError, match="10 x 6 pixels"):
        decode_picture(data, max_pixels=59)


def test_encoding_is_decoded_again_without_metadata(colours: np.ndarray) -> None:
    data = encode_picture(np.ascontiguousarray(colours), ".png")
    np.testing.assert_array_equal(decode_picture(data), colours)
    assert not Image.open(io.BytesIO(data)).getexif()


def test_only_pictures_formats_are_opened_whatever_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow hands PostScript to Ghostscript, a program with a language of its own."""
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *a, **k: pytest.fail("was run"))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", format="EPS")
    for read in (read_picture, picture_size):
        with pytest.raises(DataError, match="not a picture"):
            read(tmp_path / "a.jpg")


def test_names_of_pictures() -> None:
    assert is_picture(Path("a.JPG"))
    assert not is_picture(Path("a.txt"))
    assert not is_picture(Path("._a.jpg"))
    assert set(pixels.SUFFIXES) >= {".jpg", ".png", ".tiff"}


def test_a_picture_without_memory_for_it_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would be left out, or another be learnt from in its place."""
    data = encode_picture(np.zeros((8, 8, 3), np.uint8), ".png")
    short = cv2.error("Failed to allocate")
    short.code = cv2.Error.StsNoMem
    for error in (short, MemoryError()):

        def full(*arguments: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("cv2.imdecode", full)
        with pytest.raises(OutOfMemory, match=r"a\.png: there is no memory to decode"):
            decode_picture(data, where="a.png")


def test_opencv_has_the_same_limit(tmp_path: Path) -> None:
    """For a file of whose size it thinks otherwise than Pillow, by which the header is checked."""
    code = (
        "import os, kit.pixels as p\n"
        "assert int(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS']) == p.MAX_PIXELS\n"
        "import cv2, numpy as np\n"
        "try: cv2.imdecode(np.fromfile('it.pbm', np.uint8), cv2.IMREAD_GRAYSCALE)\n"
        "except cv2.error as error: assert 'CV_IO_MAX_IMAGE_PIXELS' in str(error), error\n"
        "else: raise SystemExit('it was decoded')\n"
    )
    (tmp_path / "it.pbm").write_bytes(b"P4\n12000 12000\n" + bytes(18_000_000))
    variables = {k: v for k, v in os.environ.items() if k != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    variables["PYTHONPATH"] = str(Path(__file__).parents[2])
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=variables,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
