"""One picture, two bundles (``static/intake.js`` and ``static/compare.js``)."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from kit.app import strings as say
from kit.app.desk import Desk
from kit.pixels import SUFFIXES


def build(desk: Desk) -> None:
    """The tab; where one bundle is served it says how to serve two."""
    html = _intake(desk) if len(desk.shelf) > 1 else _alone()
    gr.HTML(html, apply_default_css=False)


def _alone() -> Markup:
    return Markup('<p class="kit-lonely">{}</p><p><code>{}</code></p>').format(
        say.COMPARE_ALONE, say.COMPARE_HOW
    )


def _intake(desk: Desk) -> Markup:
    return Markup(
        '<section class="kit-intake" data-intake="kit/compare" data-most-mb="{most}" '
        'data-number="{title}" data-failed="{failed}" data-too-large="{large}">'
        '<div class="kit-choose">{selects}</div><label class="kit-drop">'
        '<input type="file" accept="{accept}"><span>{drop}</span></label>'
        '<p class="kit-quiet kit-status" role="status">{none}</p>'
        '<div class="kit-results"></div></section>'
    ).format(
        most=desk.settings.picture_mb,
        failed=say.PICTURE_FAILED,
        title=say.COMPARE_PICTURE,
        large=say.TOO_LARGE.format(most=desk.settings.picture_mb),
        selects=Markup("").join(_select(desk, place) for place in (0, 1)),
        accept=",".join(sorted(SUFFIXES)),
        drop=say.COMPARE_DROP,
        none=say.PICTURE_NONE,
    )


def _select(desk: Desk, place: int) -> Markup:
    options = Markup("").join(
        Markup('<option value="{}"{}>{}</option>').format(
            name, Markup(" selected") if number == place else "", served.title
        )
        for number, (name, served) in enumerate(desk.shelf.items())
    )
    return Markup('<label><strong>{}</strong> <select name="{}">{}</select></label>').format(
        say.COMPARE_LETTERS[place], ("first", "second")[place], options
    )
