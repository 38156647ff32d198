"""The visitor's camera, or one of the server's, looked at as it runs (``static/live.js``)."""

from __future__ import annotations

import json

import gradio as gr
from markupsafe import Markup

from kit.app import strings as say
from kit.app.cameras import Cameras
from kit.app.desk import Desk


def build(desk: Desk) -> None:
    """The tab."""
    gr.HTML(_live(desk), apply_default_css=False)


def _live(desk: Desk) -> Markup:
    cameras = Markup("").join(
        Markup('<option value="server:{}">{}</option>').format(number, camera.name)
        for number, camera in enumerate(Cameras(desk.settings.cameras))
    )
    return Markup(
        '<section class="kit-live" data-say="{words}"><div class="kit-toolbar">'
        '<label>{source} <select class="kit-source"><option value="mine:">{mine}</option>{cameras}'
        '</select></label> <button type="button" class="kit-start">{start}</button> '
        '<button type="button" class="kit-stop" disabled>{stop}</button></div>'
        '<p class="kit-warning kit-insecure" hidden>{insecure}</p>'
        '<p class="kit-quiet kit-status" role="status">{none}</p>'
        '<div class="kit-troubles"></div><div class="kit-results"></div>'
        '<video class="kit-eye" muted playsinline aria-hidden="true" tabindex="-1"></video>'
        "</section>"
    ).format(
        words=json.dumps(say.LIVE_WORDS),
        source=say.LIVE_SOURCE,
        mine=say.LIVE_MINE,
        cameras=cameras,
        start=say.LIVE_START,
        stop=say.LIVE_STOP,
        insecure=say.LIVE_INSECURE,
        none=say.LIVE_NONE,
    )
