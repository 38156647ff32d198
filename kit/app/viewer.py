"""A picture with its boxes as HTML: vector lines over the picture, so that they stay crisp, and the
browser shows and hides them without asking again (``static/viewer.js``)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from markupsafe import Markup

from kit.app import strings as say
from kit.app.looked import Looked
from kit.app.shelf import Served
from kit.pixels import encode_picture
from kit.report.draw import colour_of
from kit.types import Detections, Picture, Watched

LONGEST_SIDE = 2048
"""Pixels of the picture as shown; downloads have all of them."""

_MOST_CLASSES = 12  # that are all offered; of more only those that are seen
_MOST_ROWS = 300  # of the table; the downloads have all


def colour(label: int) -> str:
    """Of a class, as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour_of(label))


def viewer(looked: Looked, title: str = "", extra: Markup | str = "") -> Markup:
    """One picture with boxes, slider, classes, findings, warnings, times and downloads.

    Args:
        title: a heading.
        extra: HTML below the controls, e.g. of an editor.
    """
    card, found = looked.served.bundle.card, looked.result.detections
    return Markup(
        '<figure class="kit-viewer" data-kit="{setup}" data-count="{count}">{heading}{warnings}'
        '<div class="kit-split"><div>{stage}</div><div class="kit-side">{controls}{extra}{table}'
        "{foot}</div></div></figure>"
    ).format(
        setup=_setup(looked.served, id=looked.id),
        count=len(found),
        heading=Markup("<h3>{}</h3>").format(title) if title else "",
        warnings=warnings(looked.result.watched),
        stage=stage(looked.picture, found, card.classes),
        controls=controls(found, card.classes, card.thresholds, looked.served.floor),
        extra=extra,
        table=_table(found, card.classes),
        foot=Markup("{}{}").format(_downloads(looked.id), times(looked.stages_ms)),
    )


def frames_viewer(served: Served) -> Markup:
    """The same for a camera: frames, boxes and numbers are put in as they come
    (``static/live.js``)."""
    card = served.bundle.card
    setup = _setup(
        served, classes=card.classes, colours=[colour(label) for label in range(len(card.classes))]
    )
    numbers = Markup("").join(
        Markup('<div><dt>{}</dt><dd data-number="{}">\N{EN DASH}</dd></div>').format(text, name)
        for name, text in say.LIVE_NUMBERS.items()
    )
    return Markup(
        '<figure class="kit-viewer" data-kit="{setup}" data-stages="{stages}" data-time="{time}">'
        '<div class="kit-split"><div><div class="kit-stage" data-side="">'
        '<canvas width="4" height="3" role="img" aria-label="{alt}"></canvas>'
        '<svg preserveAspectRatio="none" aria-hidden="true"></svg>'
        '<span class="kit-tip" hidden></span></div><div class="kit-cautions"></div></div>'
        '<div class="kit-side"><dl class="kit-numbers">{numbers}</dl>{controls}'
        '<p class="kit-times" data-number="stages"></p></div></div></figure>'
    ).format(
        setup=setup,
        stages=json.dumps(say.STAGES),
        time=say.TIME,
        alt=say.LIVE_ALT,
        numbers=numbers,
        controls=controls(None, card.classes, card.thresholds, served.floor),
    )


def _setup(served: Served, **more: object) -> str:
    """What the scripts know of a viewer."""
    thresholds = [round(value, 6) for value in served.bundle.card.thresholds]
    return json.dumps({"thresholds": thresholds, "floor": served.floor, **more})


def cautions(watched: Watched | None) -> list[str]:
    """What the watch says of a picture, in words."""
    if watched is None:
        return []
    told = [say.UNLIKE] if watched.unlike else []
    if watched.complaints:
        told.append(say.COMPLAINT.format(complaints=", ".join(watched.complaints)))
    return told


def warnings(watched: Watched | None) -> Markup:
    """What the watch says, beside the picture."""
    line = Markup('<p class="kit-warning" role="alert">{}</p>')
    return Markup("").join(line.format(each) for each in cautions(watched))


def stage(
    picture: Picture,
    found: Detections,
    classes: Sequence[str],
    marks: Sequence[str] = (),
    *,
    side: str = "",
    thresholds: Sequence[float] | None = None,
) -> Markup:
    """The picture with its boxes, best last, so that they lie on top.

    Args:
        picture: ``(H, W, 3)`` BGR.
        marks: a CSS class more for each box.
        side: a letter before the number of each box, where a viewer has two pictures.
        thresholds: of this picture alone, by label; None for those of its viewer.
    """
    height, width = picture.shape[:2]
    boxes = Markup("").join(
        _box(f"{side}{index}", box, score, label, classes, marks[index] if marks else "")
        for index, (box, score, label) in reversed(list(enumerate(found)))
    )
    return Markup(
        '<div class="kit-stage" data-side="{side}"{own}><img src="{source}" alt="{alt}" '
        'width="{width}" height="{height}">'
        '<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" aria-hidden="true">{boxes}'
        '</svg><span class="kit-tip" hidden></span></div>'
    ).format(
        side=side,
        own=""
        if thresholds is None
        else Markup(' data-thresholds="{}"').format(json.dumps(list(thresholds))),
        source=_data_uri(picture),
        alt=say.ALT.format(count=len(found)),
        width=width,
        height=height,
        boxes=boxes,
    )


def _box(
    index: str, box: Iterable[float], score: float, label: int, classes: Sequence[str], mark: str
) -> Markup:
    left, top, right, bottom = (round(float(value), 2) for value in box)
    shape = Markup('x="{}" y="{}" width="{}" height="{}"').format(
        left, top, round(max(0.0, right - left), 2), round(max(0.0, bottom - top), 2)
    )
    return Markup(
        '<g class="kit-box {mark}" data-box="{index}" data-label="{label}" data-score="{score}" '
        'data-name="{name}"><rect class="kit-rim" {shape}/>'
        '<rect class="kit-line" {shape} stroke="{colour}"/></g>'
    ).format(
        mark=mark,
        index=index,
        label=label,
        score=f"{score:.4f}",
        name=classes[label],
        shape=shape,
        colour=colour(label),
    )


def controls(
    found: Detections | None,
    classes: Sequence[str],
    thresholds: Sequence[float],
    floor: float,
    sides: Sequence[str] = ("",),
) -> Markup:
    """Slider, operating point, names, and classes with their counts; they act on all pictures of
    their viewer.

    Args:
        found: boxes of all pictures; of many classes only theirs are offered. None where they are
            still to come.
        thresholds: operating points, marked on the slider where they are all the same.
        sides: letters of the pictures; each is counted.
    """
    few = len(classes) <= _MOST_CLASSES
    present = set(range(len(classes))) if few or found is None else set(found.labels.tolist())
    boxes = Markup("").join(
        Markup(
            '<label class="kit-class"{unseen}><input type="checkbox" checked data-class="{label}">'
            '<span class="kit-swatch" style="background:{colour}"></span>{name} '
            "{counts}</label>"
        ).format(
            unseen=Markup("") if few or found is not None else Markup(" hidden"),
            label=label,
            colour=colour(label),
            name=classes[label],
            counts=_counts(sides, label),
        )
        for label in sorted(present)
    )
    low, high = min(thresholds), max(thresholds)
    spoken = f"{low:.2f}" if low == high else say.BY_CLASS
    return Markup(
        '<div class="kit-controls"><label>{text} <output class="kit-at">{spoken}</output>'
        '<input type="range" class="kit-slider" min="{floor}" max="1" step="0.01" value="{low}">'
        '<span class="kit-mark" style="--at:{mark:.4f}" title="{point}: {spoken}"></span></label>'
        '<button type="button" class="kit-reset" title="{point}: {spoken}">{back}</button>'
        '<label class="kit-names"><input type="checkbox" class="kit-label-all">{labels}</label>'
        '<fieldset class="kit-classes"><legend>{classes}</legend>{boxes}</fieldset></div>'
    ).format(
        text=say.THRESHOLD,
        spoken=spoken,
        floor=f"{floor:.2f}",
        low=f"{low:.4f}",
        mark=(low - floor) / (1 - floor),
        point=say.OPERATING_POINT,
        back=say.BACK_TO_OPERATING_POINT,
        labels=say.LABELS,
        classes=say.CLASSES,
        boxes=boxes,
    )


def _counts(sides: Sequence[str], label: int) -> Markup:
    output = Markup('<output data-count-of="{}" data-count-in="{}">0</output>')
    return Markup(" : ").join(output.format(label, side) for side in sides)


def _table(found: Detections, classes: Sequence[str]) -> Markup:
    rows = Markup("").join(
        Markup(
            '<tr tabindex="0" data-row="{index}" data-label="{label}" data-score="{score}">'
            '<td><span class="kit-swatch" style="background:{colour}"></span>{name}</td>'
            "<td>{spoken}</td><td>{place}</td></tr>"
        ).format(
            index=index,
            label=label,
            score=f"{score:.4f}",
            colour=colour(label),
            name=classes[label],
            spoken=f"{score:.2f}",
            place=", ".join(str(round(value)) for value in (*box[:2], *(box[2:] - box[:2]))),
        )
        for index, (box, score, label) in enumerate(found)
        if index < _MOST_ROWS
    )
    return Markup(
        '<div class="kit-table" tabindex="0"><table><caption>{title}</caption><thead><tr>'
        '<th scope="col">{name}</th><th scope="col">{score}</th><th scope="col">{place}</th></tr>'
        '</thead><tbody>{rows}</tbody></table><p class="kit-none" hidden>{none}</p></div>'
    ).format(
        title=say.FINDINGS,
        name=say.FINDINGS_CLASS,
        score=say.FINDINGS_SCORE,
        place=say.FINDINGS_PLACE,
        rows=rows,
        none=say.FINDINGS_NONE,
    )


def _downloads(id: str) -> Markup:
    names = {
        "picture.png": say.DOWNLOAD_PICTURE,
        "findings.json": say.DOWNLOAD_JSON,
        "findings.csv": say.DOWNLOAD_CSV,
    }
    links = [
        Markup('<a class="kit-get" data-href="{0}" href="{0}" download="{1}">{2}</a>').format(
            f"kit/result/{id}/{name}", name, text
        )
        for name, text in names.items()
    ]
    links.append(
        Markup('<a class="kit-get" data-href="{0}" href="{0}" target="_blank">{1}</a>').format(
            f"kit/result/{id}/print", say.DOWNLOAD_PRINT
        )
    )
    return Markup('<p class="kit-downloads">{}</p>').format(Markup(" ").join(links))


def times(stages_ms: dict[str, float]) -> Markup:
    """By stage, and in all."""
    parts = ", ".join(f"{say.STAGES.get(name, name)} {ms:.1f}" for name, ms in stages_ms.items())
    total = sum(stages_ms.values())
    return Markup('<p class="kit-times">{}: {} ms ({})</p>').format(say.TIME, f"{total:.1f}", parts)


def _data_uri(picture: Picture) -> str:
    """As a JPEG inside the page: nothing is written, nothing is asked for again."""
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale < 1:
        size = (max(1, round(side * scale)) for side in picture.shape[1::-1])
        picture = np.asarray(
            cv2.resize(picture, tuple(size), interpolation=cv2.INTER_AREA), np.uint8
        )
    data = encode_picture(picture, ".jpg")
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
