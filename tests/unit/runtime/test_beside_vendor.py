"""A vendor's package in the same process changes nothing about how pictures are read."""

from __future__ import annotations

import subprocess
import sys

import pytest

BAD_PICTURE = """
import kit.pixels, kit.errors
from PIL import Image
def hostile(*args, **kwargs):
    raise SystemExit("a vendor's opener was called")
Image.open = hostile  # as ultralytics does on import: its own runs pip when a file is no picture
try:
    kit.pixels.decode_picture(b"no picture")
except kit.errors.DataError as error:
    print(error)
"""


def test_a_replaced_opener_is_not_called() -> None:
    done = subprocess.run(
        [sys.executable, "-c", BAD_PICTURE], capture_output=True, text=True, check=False
    )
    assert "not a picture" in done.stdout, done.stderr


def test_a_bad_picture_beside_ultralytics() -> None:
    pytest.importorskip("ultralytics")
    from kit.errors import DataError
    from kit.pixels import decode_picture

    with pytest.raises(DataError, match="not a picture"):
        decode_picture(b"no picture")
