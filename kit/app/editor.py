"""The part of a viewer that boxes are corrected in (``static/edit.js``)."""

from __future__ import annotations

import json

from markupsafe import Markup

from kit.app import strings as say
from kit.app.looked import Looked
from kit.app.viewer import colour


def editor(looked: Looked) -> Markup:
    """Buttons, a list of boxes that the script fills, and number fields for the chosen one."""
    classes = looked.served.bundle.card.classes
    setup = {
        "classes": classes,
        "colours": [colour(label) for label in range(len(classes))],
        "texts": say.EDIT_TEXTS,
    }
    options = Markup("").join(
        Markup('<option value="{}">{}</option>').format(label, name)
        for label, name in enumerate(classes)
    )
    return Markup(
        '<section class="kit-edit" data-edit="{setup}" aria-label="{title}">'
        '<button type="button" class="kit-button" data-edit-do="start">{title}</button>'
        '<p class="kit-quiet">{what}</p><div class="kit-edit-tools" hidden>'
        '<p class="kit-quiet">{help}</p>'
        "<label>{new} <select data-edit-new>{options}</select></label>"
        '<p class="kit-buttons">{buttons}</p><ol class="kit-edit-list"></ol>{place}'
        '<p class="kit-buttons">{keep}</p></div>'
        '<p class="kit-edit-status" role="status"></p></section>'
    ).format(
        setup=json.dumps(setup),
        title=say.EDIT,
        what=say.EDIT_WHAT,
        help=say.EDIT_HELP,
        new=say.EDIT_NEW,
        options=options,
        buttons=_buttons(
            {
                "rest": say.EDIT_REST,
                "draw": say.EDIT_DRAW,
                "add": say.EDIT_ADD,
                "undo": say.EDIT_UNDO,
            }
        ),
        place=_place(),
        keep=_buttons({"keep": say.EDIT_KEEP, "leave": say.EDIT_LEAVE}),
    )


def _buttons(texts: dict[str, str]) -> Markup:
    return Markup("").join(
        Markup('<button type="button" class="kit-button" data-edit-do="{}">{}</button>').format(
            name, text
        )
        for name, text in texts.items()
    )


def _place() -> Markup:
    fields = Markup("").join(
        Markup(
            '<label>{text}<input type="number" step="any" min="0" data-edit-side="{side}"></label>'
        ).format(text=text, side=side)
        for side, text in enumerate(say.EDIT_SIDES)
    )
    return Markup(
        '<fieldset class="kit-edit-place" disabled><legend>{}</legend>{}</fieldset>'
    ).format(say.EDIT_PLACE, fields)
