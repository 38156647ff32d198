"""A detector kit: from fifty labelled pictures to a verified detector on the ward's own device.

The public surface is small on purpose::

    import kit
    detector = kit.open("runs/bccd/onnx")
    boxes = detector(kit.read_picture("smear.jpg"))   # Detections: xyxy, scores, labels
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.door import open as open
    from kit.errors import KitError as KitError
    from kit.pixels import read_picture as read_picture
    from kit.types import Detections as Detections

__version__ = "0.1.0"
__all__ = ["Detections", "KitError", "__version__", "open", "read_picture"]

_HOMES = {
    "open": "kit.door",
    "read_picture": "kit.pixels",
    "Detections": "kit.types",
    "KitError": "kit.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``kit --help`` stays instant."""
    if name not in _HOMES:
        raise AttributeError(f"module 'kit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
