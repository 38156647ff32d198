"""The detector for programs: two endpoints of Gradio's API, JSON in and out (``docs/api.md``)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import gradio as gr
from gradio.events import api

from kit.app import strings as say
from kit.app.desk import Desk
from kit.app.findings import Shown, as_json
from kit.app.guard import user_of
from kit.app.looked import look
from kit.app.shelf import Served
from kit.errors import KitError


def build(desk: Desk) -> None:
    """Add ``/detect`` and ``/bundles`` to the page that is being built."""

    def detect(
        request: gr.Request, picture: str, bundle: str = "", threshold: float | None = None
    ) -> dict[str, Any]:
        served = _served(desk, bundle)
        shown = Shown(_threshold(threshold, served))
        data = _decoded(picture, desk.settings.picture_mb)
        try:
            looked = look(data, served, user_of(request.request))
            desk.note(looked)
            return as_json(looked, shown)
        except KitError as error:
            raise _wrong(f"{error.what}.") from error

    def bundles() -> list[dict[str, Any]]:
        return [_described(served) for served in desk.shelf.values()]

    api(detect, api_name="detect", api_description=say.API_DETECT)
    api(bundles, api_name="bundles", api_description=say.API_BUNDLES)


def _described(served: Served) -> dict[str, Any]:
    card = served.bundle.card
    return {
        "name": served.name,
        "model": card.name,
        "classes": list(card.classes),
        "operating_point": dict(zip(card.classes, card.thresholds, strict=True)),
        "lowest_threshold": served.floor,
        "licence": card.licence,
        "bundle_sha256": served.bundle.sha256,
        "use": say.RESEARCH_ONLY,
    }


def _served(desk: Desk, name: object) -> Served:
    served = desk.shelf.get(name) if name and isinstance(name, str) else desk.shelf.first
    if served is None or not isinstance(name, str | None):
        raise _wrong(say.NO_BUNDLE)
    return served


def _threshold(threshold: object, served: Served) -> float | None:
    if threshold is None:
        return None
    number = isinstance(threshold, int | float) and not isinstance(threshold, bool)
    if not number or not served.floor <= threshold <= 1:  # type: ignore[operator]
        raise _wrong(say.API_THRESHOLD.format(floor=served.floor))
    return float(threshold)  # type: ignore[arg-type]


def _decoded(picture: object, most_mb: int) -> bytes:
    """Bytes of a file; its size is looked at before anything is decoded."""
    if not isinstance(picture, str):
        raise _wrong(say.API_PICTURE)
    text = picture.partition(",")[2] if picture.startswith("data:") else picture
    if len(text) * 3 // 4 > most_mb * 1_000_000 * 1.02:  # lines may be wrapped
        raise _wrong(say.API_LARGE.format(why=say.TOO_LARGE.format(most=most_mb)))
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _wrong(say.API_PICTURE) from error
    if len(data) > most_mb * 1_000_000:
        raise _wrong(say.API_LARGE.format(why=say.TOO_LARGE.format(most=most_mb)))
    return data


def _wrong(text: str) -> gr.Error:
    """The caller's mistake: told to the caller, not to the log."""
    return gr.Error(text, print_exception=False)
