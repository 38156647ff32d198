"""Pictures, dropped, pasted or chosen: what is found on each (``static/intake.js``)."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from kit.app import strings as say
from kit.app.desk import Desk
from kit.pixels import SUFFIXES


def build(desk: Desk) -> None:
    """The tab."""
    gr.HTML(_intake(desk), apply_default_css=False)


def _intake(desk: Desk) -> Markup:
    return Markup(
        '<section class="kit-intake" data-intake="kit/look" data-most-mb="{most}" '
        'data-number="{number}" data-failed="{failed}" data-too-large="{large}">'
        '<label class="kit-drop"><input type="file" multiple accept="{accept}">'
        "<span>{drop}</span></label>"
        '<p class="kit-quiet kit-status" role="status">{none}</p>'
        '<div class="kit-results"></div></section>'
    ).format(
        most=desk.settings.picture_mb,
        number=say.PICTURE_NUMBER,
        failed=say.PICTURE_FAILED,
        large=say.TOO_LARGE.format(most=desk.settings.picture_mb),
        accept=",".join(sorted(SUFFIXES)),
        drop=say.PICTURE_DROP,
        none=say.PICTURE_NONE,
    )
