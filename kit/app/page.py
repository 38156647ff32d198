"""The page: a head that never scrolls out of mind, and one tab for each way of looking."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from kit.app import api, picture_tab
from kit.app import strings as say
from kit.app.desk import Desk
from kit.app.plain import PlainBlocks

SCRIPTS = ("viewer.js", "intake.js")
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def build(desk: Desk) -> gr.Blocks:
    """The page of a desk."""
    page = PlainBlocks(title=say.TITLE, analytics_enabled=False, delete_cache=(60, 300))
    with page:
        gr.HTML(_head(desk), apply_default_css=False)
        with gr.Tabs(), gr.Tab(say.PICTURE, id="picture"):
            picture_tab.build(desk)
        api.build(desk)
    page.queue(max_size=64, default_concurrency_limit=8)
    return page


def theme() -> gr.themes.Base:
    """Calm colours, and fonts that are on the visitor's machine already."""
    return gr.themes.Default(primary_hue="sky", neutral_hue="slate", font=FONTS, font_mono=MONO)


def head() -> str:
    """Our scripts and styles."""
    style = '<link rel="stylesheet" href="kit/static/kit.css">'
    return style + "".join(f'<script src="kit/static/{name}" defer></script>' for name in SCRIPTS)


def _head(desk: Desk) -> Markup:
    licences = sorted({served.bundle.card.licence for served in desk.shelf.values()})
    choices = Markup("").join(Markup("<option>{}</option>").format(name) for name in desk.shelf)
    return Markup(
        '<header class="kit-head"><h1>{title}</h1><p class="kit-research">{research}</p>'
        '<label{alone}>{bundle} <select class="kit-bundle">{choices}</select></label>'
        "<p>{licence}</p>{leave}</header>"
    ).format(
        title=say.TITLE,
        research=say.RESEARCH_ONLY,
        alone=Markup(" hidden") if len(desk.shelf) == 1 else "",
        bundle=say.BUNDLE,
        choices=choices,
        licence=say.LICENCE.format(licence=", ".join(licences)),
        leave="" if desk.access is None else _leave(),
    )


def _leave() -> Markup:
    button = '<form class="kit-leave" method="post" action="/logout"><button>{}</button></form>'
    return Markup(button).format(say.LOGIN_LEAVE)
