"""Films as browsers want them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from kit.errors import RunFailed
from kit.report.film import VideoWriter
from kit.runtime.capture import open_file
from kit.runtime.stream import Video


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", b"FMP4"), (".webm", b"VP80")])
def test_the_suffix_chooses_the_codec(tmp_path: Path, suffix: str, codec: bytes) -> None:
    path = tmp_path / f"film{suffix}"
    with closing(VideoWriter(path, 12.5)) as writer:
        for number in range(10):
            writer.write(np.full((81, 120, 3), 20 * number, np.uint8))
    capture = open_file(path)
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == codec
    capture.release()
    with closing(Video(path)) as video:
        frames = list(video)
        assert (video.rate, video.frames, video.size) == (12.5, 10, (120, 80))
    for number, frame in enumerate(frames):
        assert frame.picture.mean() == pytest.approx(20 * number, abs=9)
    assert [frame.second for frame in frames] == [number / 12.5 for number in range(10)]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_half_a_film_is_none(tmp_path: Path, suffix: str) -> None:
    """A WebM that ends early can be opened: OpenCV says nothing where there is no room."""
    resource = pytest.importorskip("resource")
    before, noise = resource.getrlimit(resource.RLIMIT_FSIZE), np.random.default_rng(0)
    writer = VideoWriter(tmp_path / f"film{suffix}", 12.5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        for _ in range(40):
            writer.write(noise.integers(0, 255, (160, 200, 3), np.uint8))
        with pytest.raises(RunFailed, match="not written whole"):
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
