"""The page: a head that never scrolls out of mind, and one tab for each way of looking."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from kit.app import api, compare_tab, live_tab, picture_tab, video_tab, worth_tab
from kit.app import strings as say
from kit.app.desk import Desk
from kit.app.plain import PlainBlocks

SCRIPTS = (
    "viewer.js",
    "intake.js",
    "camera.js",
    "live.js",
    "video.js",
    "compare.js",
    "worth.js",
)
EDITOR = "edit.js"
FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]


def build(desk: Desk) -> gr.Blocks:
    """The page of a desk."""
    page = PlainBlocks(title=say.TITLE, analytics_enabled=False, delete_cache=(60, 300))
    with page:
        gr.HTML(_head(desk), apply_default_css=False)
        with gr.Tabs():
            with gr.Tab(say.PICTURE, id="picture"):
                picture_tab.build(desk)
            with gr.Tab(say.LIVE, id="live"):
                live_tab.build(desk)
            with gr.Tab(say.VIDEO, id="video"):
                video_tab.build(desk)
            with gr.Tab(say.COMPARE, id="compare"):
                compare_tab.build(desk)
            with gr.Tab(say.WORTH, id="worth"):
                worth_tab.build()
        api.build(desk)
    page.queue(max_size=16, default_concurrency_limit=4)
    # idle, it would look for work a thousand times a second: 6 % of a core. This is what it does on
    # Windows, and an answer is at most so much later
    page._queue.sleep_when_free = 0.05
    return page


def theme() -> gr.themes.Base:
    """Calm colours, and fonts that are on the visitor's machine already."""
    return gr.themes.Default(primary_hue="sky", neutral_hue="slate", font=FONTS, font_mono=MONO)


def head(desk: Desk) -> str:
    """Our scripts and styles."""
    style = '<link rel="stylesheet" href="kit/static/kit.css">'
    scripts = [f'<script src="kit/static/{name}" defer></script>' for name in SCRIPTS]
    if desk.feedback is not None:
        scripts.append(f'<script src="kit/static/{EDITOR}" type="module"></script>')
    return style + "".join(scripts)


def _head(desk: Desk) -> Markup:
    licences = sorted({served.bundle.card.licence for served in desk.shelf.values()})
    choices = Markup("").join(
        Markup('<option value="{}">{}</option>').format(name, served.title)
        for name, served in desk.shelf.items()
    )
    return Markup(
        '<header class="kit-head"><h1>{title}</h1>'
        '<label>{bundle} <select class="kit-bundle">{choices}</select></label>'
        '<p>{licence}</p>{leave}</header><p class="kit-always" role="note">{research}</p>'
    ).format(
        title=say.TITLE,
        research=say.RESEARCH_ONLY,
        bundle=say.BUNDLE,
        choices=choices,
        licence=say.LICENCE.format(licence=", ".join(licences)),
        leave="" if desk.access is None else _leave(),
    )


def _leave() -> Markup:
    button = '<form class="kit-leave" method="post" action="/logout"><button>{}</button></form>'
    return Markup(button).format(say.LOGIN_LEAVE)
