"""Pictures, dropped, pasted or chosen: what is found on each (``static/intake.js``)."""

from __future__ import annotations

from urllib.parse import urlencode

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
        '{samples}<p class="kit-quiet kit-status" role="status">{none}</p>'
        '<div class="kit-results"></div></section>'
    ).format(
        most=desk.settings.picture_mb,
        number=say.PICTURE_NUMBER,
        failed=say.PICTURE_FAILED,
        large=say.TOO_LARGE.format(most=desk.settings.picture_mb),
        accept=",".join(sorted(SUFFIXES)),
        drop=say.PICTURE_DROP,
        samples=_samples(desk),
        none=say.PICTURE_NONE,
    )


def _samples(desk: Desk) -> Markup:
    """Of each bundle that carries some; the script shows those of the chosen one."""
    rows = []
    for name, served in desk.shelf.items():
        documents = served.bundle.card.documents
        buttons = [
            Markup(
                '<button type="button" data-sample="{name}"><img src="kit/sample?{query}" '
                'alt="{alt}" loading="lazy"></button>'
            ).format(
                name=sample,
                query=urlencode({"bundle": name, "name": sample}),
                alt=say.SAMPLE.format(number=number),
            )
            for number, sample in enumerate(documents.samples if documents else (), 1)
        ]
        if buttons:
            rows.append(
                Markup('<div class="kit-samples" data-of="{}"><span>{}</span>{}</div>').format(
                    name, say.SAMPLES, Markup().join(buttons)
                )
            )
    return Markup().join(rows)
