"""The one picture loader: training, calibration, evaluation and the app all see these pixels.

EXIF orientation is applied, grey becomes BGR, alpha is laid over white (what a viewer shows), and
more than 8 bits are scaled by the declared bit depth, else by the type's full range; never
stretched per picture, since a dark slide must stay dark.
"""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

# MAX_PIXELS, for a file whose header OpenCV reads otherwise; it looks once, at its import
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", "120000000")
import cv2
from PIL import Image

from kit.errors import DataError, OutOfMemory
from kit.files import read_limited
from kit.types import Picture

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
"""File suffixes taken for pictures, in lower case."""

MAX_PIXELS = 120_000_000
"""Pictures above this are refused by their header, before a byte is decoded."""

MAX_BYTES = 1 << 30
"""Size of a picture's file: room for so many pixels of four channels in 16 bits, not packed."""

_AT_ONCE = 1 << 22  # values of a picture, changed together
_open = Image.open  # as it is now: importing ultralytics puts in one that runs pip on a bad picture
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")  # by content: an EPS would run Ghostscript
_ORIENTATION = 0x0112  # EXIF tag
_TURN = {3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}


def is_picture(path: Path) -> bool:
    """Whether the name looks like a picture's."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def find_pictures(folder: Path) -> list[str]:
    """Paths below a folder of all pictures in it, sorted, with forward slashes; links that lead out
    of the folder are not followed.

    Raises:
        DataError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError("there is no such folder", where=folder)
    root = folder.resolve()
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob("*"))
        if is_picture(path) and path.is_file() and path.resolve().is_relative_to(root)
    ]
    if not names:
        raise DataError("there is no picture in this folder", where=folder)
    return names


def picture_size(path: Path) -> tuple[int, int]:
    """``(width, height)`` of the upright picture, from the header alone.

    Raises:
        DataError: unreadable, or not a picture.
    """
    try:
        with path.open("rb") as file:
            return _header(file, path, MAX_PIXELS)[0]
    except OSError as error:
        raise _unreadable(path, error) from error


def read_picture(
    path: Path | str, *, bit_depth: int | None = None, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Decode a picture file to ``(H, W, 3)`` uint8 BGR, upright.

    Args:
        path: a file in one of :data:`SUFFIXES`.
        bit_depth: bits really used by a 16-bit file (12 for many cameras); None means all of them.
        max_pixels: larger pictures are refused before decoding.

    Raises:
        DataError: missing, truncated, not a picture, too large, or deeper than ``bit_depth``.
        OutOfMemory: there is no room for its pixels.
    """
    path = Path(path)
    try:
        data = read_limited(path, MAX_BYTES)
    except OSError as error:
        raise _unreadable(path, error) from error
    return decode_picture(data, where=path, bit_depth=bit_depth, max_pixels=max_pixels)


def decode_picture(
    data: bytes,
    *,
    where: object = "picture",
    bit_depth: int | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Picture:
    """Like :func:`read_picture`, from bytes already in memory."""
    _, orientation, kind = _header(io.BytesIO(data), where, max_pixels)
    if _truncated(data, kind):
        raise DataError("the picture is cut off", where=where, fix="copy or export it again")
    try:
        pixels = cv2.imdecode(
            np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
        )
        if pixels is None or not _taken(pixels, kind):
            with _open(io.BytesIO(data), formats=_FORMATS) as picture:
                pixels = cv2.cvtColor(np.asarray(picture.convert("RGBA")), cv2.COLOR_RGBA2BGRA)
    except (cv2.error, OSError, ValueError, SyntaxError, MemoryError) as error:
        if isinstance(error, MemoryError) or getattr(error, "code", None) == cv2.Error.StsNoMem:
            # no fault of the picture: it must not be left out as if it were damaged
            raise OutOfMemory("there is no memory to decode the picture", where=where) from error
        raise DataError(f"the picture can't be decoded ({error})", where=where) from error
    return _upright(_to_bgr(_to_uint8(np.asarray(pixels), bit_depth, where)), orientation)


def encode_picture(picture: Picture, suffix: str = ".jpg", *, quality: int | None = None) -> bytes:
    """Encode without any metadata. ``suffix`` is one of :data:`SUFFIXES`; ``quality`` of a JPEG is
    0 to 100, None takes OpenCV's own."""
    options = [] if quality is None else [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, data = cv2.imencode(suffix, picture, options)
    if not done:
        raise DataError(f"can't encode a picture as {suffix}")
    return data.tobytes()


def _header(file: IO[bytes], where: object, max_pixels: int) -> tuple[tuple[int, int], int, str]:
    """Upright size, EXIF orientation and format name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we check it ourselves
            with _open(file, formats=_FORMATS) as header:
                (width, height), kind = header.size, header.format or ""
                exif = Image.Image.getexif(header)  # a PNG's own would decode the pixels first
                orientation = int(exif.get(_ORIENTATION, 1) or 1)
                if kind == "TIFF":  # OpenCV and Pillow turn these whatever they are told
                    orientation = 1
    except Image.DecompressionBombError as error:
        raise DataError(f"the picture is too large ({error})", where=where) from error
    except (OSError, ValueError, SyntaxError, TypeError) as error:
        raise DataError("not a picture, or a damaged one", where=where) from error
    if width * height > max_pixels:
        raise DataError(
            f"the picture has {width} x {height} pixels, more than the limit of {max_pixels:,}",
            where=where,
            fix="cut it into tiles",
        )
    return ((height, width) if orientation >= 5 else (width, height)), orientation, kind


def _taken(pixels: NDArray[np.generic], kind: str) -> bool:
    """Whether OpenCV read it as we want. Pillow often can where it can't: CMYK, odd compressions,
    and the alpha of 8-bit TIFFs, with which OpenCV has multiplied the colours already."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if channels == 4 and kind == "TIFF":
        return pixels.dtype != np.uint8
    return channels in (1, 3, 4)


def _truncated(data: bytes, kind: str) -> bool:
    """OpenCV fills what is missing with grey and says nothing; the formats' end marks tell."""
    if kind in ("JPEG", "MPO"):
        # neither mark can occur inside coded data, and a thumbnail's come before the main scan's
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    if kind == "PNG":
        return data.rfind(b"IEND") < data.rfind(b"IDAT")
    return False


def _to_uint8(pixels: NDArray[np.generic], bit_depth: int | None, where: object) -> Picture:
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    if pixels.dtype != np.uint16:
        raise DataError(
            f"pictures of type {pixels.dtype} have no agreed range of brightness",
            where=where,
            fix="convert it to 8 or 16 bits",
        )
    top = np.full(pixels.shape[2] if pixels.ndim == 3 else 1, (1 << (bit_depth or 16)) - 1)
    top[3:] = 65535  # alpha fills its type, whatever the camera's depth
    if bit_depth is not None and (pixels > (top if pixels.ndim == 3 else top[0])).any():
        raise DataError(f"values above the declared {bit_depth} bits", where=where)
    factor = 255.0 / top
    return _by_rows(pixels, lambda rows: np.rint(rows.astype(np.float32) * factor))


def _to_bgr(pixels: Picture) -> Picture:
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        return np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    if pixels.shape[2] == 3:
        return pixels

    def over_white(rows: NDArray[Any]) -> NDArray[Any]:
        alpha = rows[..., 3:].astype(np.float32) / 255.0
        return np.asarray(np.rint(rows[..., :3] * alpha + 255.0 * (1.0 - alpha)))

    return _by_rows(pixels, over_white, channels=3)


def _by_rows(
    pixels: NDArray[Any],
    change: Callable[[NDArray[Any]], NDArray[Any]],
    channels: int | None = None,
) -> Picture:
    """Change some rows at a time: in floats, the whole of a large picture would take gigabytes."""
    shape = pixels.shape if channels is None else (*pixels.shape[:2], channels)
    changed = np.empty(shape, np.uint8)
    step = max(1, _AT_ONCE // pixels[0].size)
    for row in range(0, len(pixels), step):
        changed[row : row + step] = change(pixels[row : row + step])
    return changed


def _upright(pixels: Picture, orientation: int) -> Picture:
    """Undo the EXIF orientation: 2, 4, 5 and 7 are mirrored, 5 to 8 lie on their side."""
    if orientation in (2, 5, 7):
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    if orientation == 4:
        pixels = np.ascontiguousarray(pixels[::-1])
    turn = _TURN.get({5: 8, 7: 6}.get(orientation, orientation))
    return pixels if turn is None else np.asarray(cv2.rotate(pixels, turn), dtype=np.uint8)


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"can't be read ({error.strerror or error})", where=path)
