"""Two pictures with their boxes side by side, and what differs (``static/compare.js``)."""

from __future__ import annotations

import json

import numpy as np
from markupsafe import Markup

from kit.app import strings as say
from kit.app.compare import Comparison, Match, Side
from kit.app.viewer import colour, controls, stage, times, warnings
from kit.types import Detections

_SIDES = ("a", "b")
_MOST_ROWS = 300  # of the table; the JSON has all


def comparison(made: Comparison) -> Markup:
    """The whole comparison; slider and classes act on both pictures."""
    sides = (made.first, made.second)
    home = "/".join(side.looked.id for side in sides)
    floor = min(side.looked.served.floor for side in sides)
    setup = {"id": home, "thresholds": list(made.first.thresholds), "floor": floor}
    found = [side.found for side in sides]
    both = Detections(*(np.concatenate([getattr(each, name) for each in found])
                        for name in ("xyxy", "scores", "labels")))  # fmt: skip
    own = [value for side in sides for value in side.looked.served.bundle.card.thresholds]
    return Markup(
        '<figure class="kit-viewer kit-compare" data-kit="{setup}" data-home="kit/compare/{home}">'
        '{sentence}<div class="kit-pair">{sides}</div><div class="kit-split"><div>{table}</div>'
        '<div class="kit-side">{controls}<p class="kit-quiet">{hint}</p><p class="kit-downloads">'
        '<a class="kit-get" data-href="{file}" href="{file}" download="comparison.json">{json}</a>'
        "</p></div></div></figure>"
    ).format(
        setup=json.dumps(setup),
        home=home,
        sentence=sentence(made),
        sides=Markup("").join(_side(made, place) for place in (0, 1)),
        table=table(made),
        controls=controls(both, made.classes, own, floor, _SIDES),
        hint=say.COMPARE_HINT,
        file=f"kit/compare/{home}/comparison.json",
        json=say.DOWNLOAD_JSON,
    )


def differences(made: Comparison) -> Markup:
    """What of it changes with the slider: the sentence, and the table."""
    return sentence(made) + table(made)


def sentence(made: Comparison) -> Markup:
    """In plain words; for scripts, which boxes one side shows alone, or calls otherwise."""
    alone = [match for match in made.matches if match.kind in ("first", "second")]
    other = [match for match in made.matches if match.kind == "class"]
    knows = [(made.first, 0), (made.second, 1)]
    lines = [_counted(made), *(_knows(side, place) for side, place in knows if side.alone)]
    return Markup(
        '<div class="kit-sentence" role="status" data-lone="{}" data-other="{}">{}</div>'
    ).format(
        " ".join(_keys(match) for match in alone),
        " ".join(_keys(match) for match in other),
        Markup("").join(Markup("<p>{}</p>").format(line) for line in lines),
    )


def _counted(made: Comparison) -> str:
    counts, least = made.counts, made.shown.threshold
    rule = (
        say.COMPARE_RULE
        if least is None
        else say.COMPARE_RULE_SCORE.format(threshold=f"{least:.2f}")
    )
    alone = zip(say.COMPARE_LETTERS, (counts["first"], counts["second"]), strict=True)
    parts = [say.COMPARE_ONLY.format(letter=letter, count=count) for letter, count in alone]
    others = counts["class"]
    parts.append(say.COMPARE_OTHER_ONE if others == 1 else say.COMPARE_OTHER.format(count=others))
    differs = any(counts[kind] for kind in ("first", "second", "class"))
    told = ", ".join(parts) if differs else say.COMPARE_SAME
    text = f"{rule}, {say.COMPARE_BOTH.format(both=counts['both'])}; {told}."
    spread = [abs(made.difference(match) or 0) for match in made.matches if match.kind == "both"]
    if spread:
        text += " " + say.COMPARE_SCORES.format(most=f"{max(spread):.2f}")
    return text


def _knows(side: Side, place: int) -> str:
    text = say.COMPARE_KNOWS if len(side.alone) == 1 else say.COMPARE_KNOWS_MANY
    return text.format(letter=say.COMPARE_LETTERS[place], classes=", ".join(side.alone))


def _side(made: Comparison, place: int) -> Markup:
    side = (made.first, made.second)[place]
    looked = side.looked
    return Markup(
        '<div class="kit-half"><p class="kit-caption"><strong>{letter}</strong> {name}</p>{stage}'
        "{warnings}{times}</div>"
    ).format(
        letter=say.COMPARE_LETTERS[place],
        name=looked.served.title,
        warnings=warnings(looked.result.watched),
        stage=stage(
            looked.picture,
            side.found,
            made.classes,
            side=_SIDES[place],
            thresholds=side.thresholds,
        ),
        times=times(looked.stages_ms),
    )


def table(made: Comparison) -> Markup:
    """A row an object: what one side shows alone first."""
    one, other = say.COMPARE_LETTERS
    heads = (
        say.COMPARE_WHAT,
        say.COMPARE_CLASS,
        say.COMPARE_SCORE.format(letter=one),
        say.COMPARE_SCORE.format(letter=other),
        say.COMPARE_DIFFERENCE.format(first=one, second=other),
    )
    return Markup(
        '<div class="kit-table kit-matches" tabindex="0"><table><caption>{}</caption><thead><tr>{}'
        "</tr></thead><tbody>{}</tbody></table>{}</div>"
    ).format(
        say.COMPARE_TABLE,
        Markup("").join(Markup('<th scope="col">{}</th>').format(head) for head in heads),
        Markup("").join(_row(made, match) for match in made.matches[:_MOST_ROWS]),
        "" if made.matches else Markup('<p class="kit-quiet">{}</p>').format(say.FINDINGS_NONE),
    )


def _row(made: Comparison, match: Match) -> Markup:
    difference = made.difference(match)
    scores = [_score(score, match) for score in made.scores(match)]
    return Markup(
        '<tr tabindex="0" data-row="{keys}" class="kit-{kind}"><td>{what}</td><td>{classes}</td>'
        "<td>{first}</td><td>{second}</td><td>{difference}</td></tr>"
    ).format(
        keys=_keys(match),
        kind=match.kind,
        what=say.COMPARE_KINDS[match.kind],
        classes=_classes(made, match),
        first=scores[0],
        second=scores[1],
        difference="" if difference is None else f"{difference:+.2f}",
    )


def _score(score: float | None, match: Match) -> Markup:
    if score is not None:
        return Markup("{}").format(f"{score:.2f}")
    if match.below is None:
        return Markup("-")
    return Markup('<span class="kit-quiet" title="{}">{}</span>').format(
        say.COMPARE_BELOW_HINT, say.COMPARE_BELOW.format(score=f"{match.below:.2f}")
    )


def _classes(made: Comparison, match: Match) -> Markup:
    """The class, or what A calls it and what B does."""
    places = ((made.first, match.first), (made.second, match.second))
    labels = dict.fromkeys(int(side.found.labels[at]) for side, at in places if at is not None)
    swatch = Markup('<span class="kit-swatch" style="background:{}"></span>{}')
    return Markup(" / ").join(swatch.format(colour(each), made.classes[each]) for each in labels)


def _keys(match: Match) -> str:
    """Names of its boxes on the page."""
    places = zip(_SIDES, (match.first, match.second), strict=True)
    return " ".join(f"{side}{place}" for side, place in places if place is not None)
