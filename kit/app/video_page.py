"""What was seen of a clip, for the page and to take home."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import numpy as np
from markupsafe import Markup

from kit.app import strings as say
from kit.app.video import Clip, spoken
from kit.app.viewer import colour
from kit.report.timeline import timeline

_MOST_LINES = 10  # of the plot: the classes with most boxes


def seen(id: str, clip: Clip) -> Markup:
    """The film, when there is how much, and what to be careful about."""
    return Markup(
        '<figure class="kit-clip">{warnings}<div class="kit-split"><div>'
        '<video class="kit-film" controls playsinline preload="auto" aria-label="{title}" '
        'src="{home}/film.webm"></video>{timeline}</div>'
        '<div class="kit-side">{table}<p class="kit-downloads">'
        '<a href="{home}/film.webm" download="film.webm">{film}</a> '
        '<a href="{home}/frames.json" download="frames.json">{frames}</a></p>'
        '<p class="kit-quiet">{facts}</p></div></div></figure>'
    ).format(
        warnings=Markup("").join(
            Markup('<p class="kit-warning" role="alert">{}</p>').format(text)
            for text in warnings(clip)
        ),
        title=say.VIDEO_TITLE,
        home=f"kit/clip/{id}",
        timeline=_timeline(clip),
        table=_table(clip),
        film=say.DOWNLOAD_FILM,
        frames=say.DOWNLOAD_FRAMES,
        facts=_facts(clip),
    )


def warnings(clip: Clip) -> list[str]:
    """What to be careful about."""
    told, done = [], clip.done
    if clip.cut is not None:
        told.append(say.VIDEO_CUT.format(most=spoken(clip.cut)))
    if clip.missing:
        told.append(say.VIDEO_MISSING.format(told=clip.told, count=done.frames))
    if done.unlike:
        told.append(say.VIDEO_UNLIKE.format(unlike=done.unlike, count=done.frames))
    told += [say.VIDEO_DRIFT.format(second=f"{frame / clip.rate:.0f}") for frame in done.drifted]
    return told


def summary(clip: Clip) -> list[dict[str, Any]]:
    """A row a class: boxes at once, at most and on average; and in how many frames any are."""
    columns = zip(clip.served.bundle.card.classes, clip.counts.T, strict=True)
    return [
        {
            "class": name,
            "most": int(column.max()),
            "mean": round(float(column.mean()), 3),
            "frames": int(np.count_nonzero(column)),
        }
        for name, column in columns
    ]


def as_json(clip: Clip) -> Iterator[bytes]:
    """All that is known of a clip, with a row a frame as `kit detect` writes them; in pieces."""
    card, done = clip.served.bundle.card, clip.done
    when = datetime.fromtimestamp(clip.when, timezone.utc)
    facts = {
        "bundle": card.name,
        "bundle_sha256": clip.served.bundle.sha256,
        "clip_sha256": clip.sha256,
        "width": clip.size[0],
        "height": clip.size[1],
        "rate": round(clip.rate, 3),
        "looked_at": when.isoformat(timespec="seconds"),
        "thresholds": dict(zip(card.classes, card.thresholds, strict=True)),
        "frames": done.frames,
        "missing": clip.missing,
        "unlike": done.unlike,
        "drifted": done.drifted,
        "warnings": warnings(clip),
        "counts": summary(clip),
        "use": say.RESEARCH_ONLY,
    }
    yield json.dumps(facts, allow_nan=False).encode()[:-1] + b', "rows": [\n'
    for number, row in enumerate(clip.rows):
        yield (b",\n" if number else b"") + row
    yield b"\n]}\n"


def _timeline(clip: Clip) -> Markup:
    """Of the classes that are shown, the most frequent first to stay."""
    totals = clip.counts.sum(axis=0)
    often = np.argsort(-totals, kind="stable")[:_MOST_LINES]
    labels = sorted(int(label) for label in often if totals[label])
    classes = clip.served.bundle.card.classes
    drawing = timeline(
        {classes[label]: clip.counts[:, label] for label in labels},
        clip.seconds,
        [colour(label) for label in labels],
    )
    return Markup(
        '<p class="kit-quiet">{title}</p><div class="kit-timeline" data-seconds="{seconds}" '
        'role="img" aria-label="{alt}"><div class="kit-drawn">{drawing}'
        '<span class="kit-playhead"></span></div></div>'
    ).format(
        title=say.VIDEO_TIMELINE,
        seconds=f"{clip.seconds:.4f}",
        alt=say.VIDEO_TIMELINE_ALT,
        drawing=Markup(drawing),  # made here; matplotlib escapes the names in it
    )


def _table(clip: Clip) -> Markup:
    row = Markup(
        '<tr><td><span class="kit-swatch" style="background:{}"></span>{}</td>'
        "<td>{}</td><td>{}</td><td>{}</td></tr>"
    )
    rows = Markup("").join(
        row.format(colour(label), each["class"], each["most"], f"{each['mean']:.2f}",
                   each["frames"])
        for label, each in enumerate(summary(clip))
    )  # fmt: skip
    heads = Markup("").join(
        Markup('<th scope="col">{}</th>').format(text)
        for text in (say.VIDEO_CLASS, say.VIDEO_MOST, say.VIDEO_MEAN, say.VIDEO_IN)
    )
    return Markup(
        '<div class="kit-table" tabindex="0"><table><caption>{}</caption><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(say.VIDEO_SUMMARY, heads, rows)


def _facts(clip: Clip) -> str:
    done = clip.done
    rate = (done.frames - 1) / done.seconds if done.seconds else float(done.frames)
    return say.VIDEO_FACTS.format(
        frames=done.frames,
        seconds=spoken(clip.seconds),
        bundle=clip.served.title,
        spent=spoken(done.seconds),
        rate=f"{rate:.1f}",
    )
