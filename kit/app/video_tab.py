"""A clip, dropped or chosen: sent, looked at, and played with its boxes (``static/video.js``)."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from kit.app import strings as say
from kit.app.desk import Desk
from kit.app.video import spoken
from kit.runtime.stream import SUFFIXES

_TEXTS = {
    "loading": say.VIDEO_LOADING,
    "waiting": say.VIDEO_WAITING,
    "starting": say.VIDEO_STARTING,
    "looking": say.VIDEO_LOOKING,
    "looking-on": say.VIDEO_LOOKING_ON,
    "cancelled": say.VIDEO_CANCELLED,
    "failed": say.VIDEO_FAILED,
    "lost": say.VIDEO_LOST,
    "forgotten": say.VIDEO_FORGOTTEN,
    "seconds": say.VIDEO_SECONDS,
    "minutes": say.VIDEO_MINUTES,
}


def build(desk: Desk) -> None:
    """The tab."""
    gr.HTML(_intake(desk), apply_default_css=False)


def _intake(desk: Desk) -> Markup:
    most = desk.settings.clip_mb
    texts = Markup(" ").join(
        Markup('data-{}="{}"').format(name, text) for name, text in _TEXTS.items()
    )
    return Markup(
        '<section class="kit-intake" data-clip data-most-mb="{most}" data-too-large="{large}" '
        '{texts}><label class="kit-drop"><input type="file" accept="video/*,{accept}">'
        '<span>{drop}</span></label><p class="kit-quiet kit-status" role="status">{none}</p>'
        '<div class="kit-working" hidden><progress max="1"></progress>'
        '<button type="button" class="kit-cancel">{cancel}</button></div>'
        '<div class="kit-results"></div></section>'
    ).format(
        most=most,
        large=say.TOO_LARGE.format(most=most),
        texts=texts,
        accept=",".join(sorted(SUFFIXES)),
        drop=say.VIDEO_DROP.format(mb=most, seconds=spoken(desk.settings.clip_seconds)),
        none=say.VIDEO_NONE,
        cancel=say.VIDEO_CANCEL,
    )
