"""The public Python surface, pinned: a change here is a change for every user."""

from __future__ import annotations

import pytest

import kit


def test_the_surface() -> None:
    assert kit.__all__ == ["Detections", "KitError", "__version__", "open", "read_picture"]


def test_every_name_is_there_and_no_other() -> None:
    from kit.errors import KitError
    from kit.pixels import read_picture
    from kit.types import Detections

    assert kit.Detections is Detections
    assert kit.KitError is KitError
    assert kit.read_picture is read_picture
    assert callable(kit.open)
    with pytest.raises(AttributeError, match="no attribute 'close'"):
        kit.close  # noqa: B018
