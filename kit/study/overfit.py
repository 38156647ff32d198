"""Does a learning curve overfit? A rule that looks at the losses alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRIP = 5
"""Epochs that are averaged before anything is compared, since valid sets are small."""

RISE = 0.05
"""Share by which valid loss may rise over its lowest before it counts."""


@dataclass(frozen=True)
class Overfit:
    """An answer.

    Attributes:
        overfits: None where there are too few epochs to tell.
        since: the last epoch of the strip with the lowest valid loss.
        rise: of valid loss from there to the end, as a share.
        lost: AP on valid of the best epoch minus that of the last; what keeping the best epoch
            saves. None where it isn't known.
    """

    overfits: bool | None
    since: int | None = None
    rise: float | None = None
    lost: float | None = None


def overfitting(history: Sequence[Mapping[str, Any]]) -> Overfit:
    """Whether valid loss, averaged over strips of 5 epochs, ends more than 5 % above its lowest
    strip, while train loss is lower at the end than it was then.

    The rise over the lowest so far is the generalization loss, and its limit of 5 % and the strips
    are those, of Prechelt 1998, "Early Stopping - But When?". A loss that rises on both sets
    diverges, which is another fault.

    Args:
        history: rows with ``epoch``, ``train_loss``, ``valid_loss`` and ``ap``; a row without one
            of the losses is left out, and there must be two strips of others.
    """
    rows = [r for r in history if r.get("train_loss") is not None and r.get("valid_loss")]
    if len(rows) < 2 * STRIP:
        return Overfit(None)
    train, valid = (_strips([row[name] for row in rows]) for name in ("train_loss", "valid_loss"))
    lowest = int(valid.argmin())
    rise = float(valid[-1] / valid[lowest] - 1)
    scores = [row["ap"] for row in history if row.get("ap") is not None]
    return Overfit(
        overfits=rise > RISE and bool(train[-1] < train[lowest]),
        since=int(rows[lowest + STRIP - 1]["epoch"]),
        rise=rise,
        lost=max(scores) - scores[-1] if scores else None,
    )


def _strips(values: Sequence[float]) -> NDArray[np.float64]:
    """Means of STRIP values in a row."""
    return np.convolve(values, np.full(STRIP, 1 / STRIP), mode="valid")
