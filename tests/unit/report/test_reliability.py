"""The page of a calibration shows n, the rule, and points where they belong."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np

from kit.evaluate.matches import Matches
from kit.evaluate.reliability import Gain, reliability
from kit.evaluate.rules import choose, parse_rule
from kit.report.html import render_html
from kit.report.reliability import reliability_plot, tell

SCORES = np.array([0.25, 0.25, 0.25, 0.25, 0.75, 0.75])
BEFORE = reliability(SCORES, np.array([1, 0, 0, 0, 1, 1], bool), bins=2)
AFTER = reliability(SCORES, np.array([1, 0, 0, 0, 1, 0], bool), bins=2)
assert BEFORE is not None
assert AFTER is not None


def lines(svg: str, colour: str) -> list[list[tuple[float, float]]]:
    """Points of the lines of a colour, in drawing units."""
    found = []
    for path in ET.fromstring(svg).iter("path"):
        style = path.get("style", "")
        if f"stroke: {colour}" in style and "fill: none" in style:
            points = re.findall(r"[ML] (-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
            found.append([(float(x), float(y)) for x, y in points])
    return found


def test_points_stand_at_their_score_and_share() -> None:
    svg = reliability_plot([("raw", BEFORE), ("scaled", AFTER)])
    text = " ".join(node.text or "" for node in ET.fromstring(svg).iter("text"))
    assert "raw: D-ECE 0.083, n = 6" in text  # bins at 0.25 of 0.25 and at 0.75 of 1
    ours = [line for line in lines(svg, "#3b86c6") if len(line) == 2]
    other = [line for line in lines(svg, "#e08a3c") if len(line) == 2]
    (low, high), (low2, high2) = ours[0], other[0]
    assert low == low2, "the same share at the same score"
    assert high[0] == high2[0]
    assert high[1] < high2[1] < low[1], "1 is above 1/2, which is above 1/4"
    assert svg == reliability_plot([("raw", BEFORE), ("scaled", AFTER)])


def test_the_page_tells_what_was_chosen_and_of_how_many() -> None:
    hit = np.tile(np.array([True, False]), (10, 1))
    matches = {
        "<cell>": Matches(
            score=np.array([0.75, 0.5]),
            picture=np.array([0, 1]),
            hit=hit,
            ignored=np.zeros_like(hit),
            objects=np.array([1, 0]),
        )
    }
    choice = choose(matches, parse_rule("fppi=0.5"), resamples=20)
    page = render_html(tell("smears", 2, choice, Gain(BEFORE, AFTER, 5), "isotonic"))
    assert "Operating point by the rule fppi=0.5" in page
    assert "&lt;cell&gt;" in page
    assert "On 2 valid pictures" in page
    assert "bins of equal width" in page
    why = render_html(tell("smears", 1, None, "not measurable: detections on 1 picture(s)", "x"))
    assert "not measurable: detections on 1 picture(s)" in why
    assert "<svg" not in why
