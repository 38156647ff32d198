"""A page as one self-contained HTML file: it asks nothing of anybody, on paper or on screen."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kit.files import write_text
from kit.report.page import Page, Pictures, show
from kit.types import Picture

LONGEST_SIDE = 960
"""Pixels; larger pictures are made smaller, so that a report can be mailed."""

JPEG_QUALITY = 85

_WIDE = 1.7  # widths to a height: two pictures side by side


def write_html(path: Path, page: Page) -> None:
    """Write the page to a file."""
    write_text(path, render_html(page))


def render_html(page: Page) -> str:
    """The page as HTML. All text is escaped; pictures and plots are inside it; its own policy
    forbids scripts and every outside address."""
    return _template().render(page=page)


def data_uri(picture: Picture) -> str:
    """A picture ``(H, W, 3)`` BGR as a ``data:`` address of a JPEG."""
    scale = LONGEST_SIDE / max(picture.shape[:2])
    if scale < 1:
        picture = np.asarray(
            cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"a picture of shape {picture.shape} can't be written as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _wide(section: Pictures) -> bool:
    """Whether its pictures are so wide that three beside each other could not be made out."""
    shapes = [figure.picture.shape for figure in section.figures]
    return bool(shapes) and all(width > _WIDE * height for height, width, _ in shapes)


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "data_uri": data_uri}
    environment.tests |= {
        kind: lambda section, kind=kind: type(section).__name__.lower() == kind
        for kind in ("text", "facts", "table", "plot", "pictures")
    }
    environment.tests["wide"] = _wide
    return environment.get_template("page.html.jinja")
