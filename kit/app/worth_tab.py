"""What the chosen detector is worth, fetched when it is chosen (``static/worth.js``)."""

from __future__ import annotations

import gradio as gr
from markupsafe import Markup

from kit.app import strings as say


def build() -> None:
    """The tab."""
    waiting = Markup('<div class="kit-worth-of" role="region" aria-live="polite">{}</div>')
    gr.HTML(waiting.format(say.WORTH_WAIT), apply_default_css=False)
