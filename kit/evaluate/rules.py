"""Rules that choose an operating point from detections on valid pictures.

Candidates are the scores that detections have. A threshold shows what scores at least as much, in
float32 like the scores, so of all thresholds that show the same detections the candidate is the
highest. Overlap is at least 0.5; FPPI is false positives per picture. A rule takes:

- ``sensitivity=S``: the highest candidate that finds at least the share S of the objects;
- ``fppi=F``: of the candidates with at most F false positives per picture the one that finds most,
  of those that find as many the highest;
- ``f1``: the candidate of the best F1, ``2 hits / (hits + false + objects)``, of equal ones the
  highest.

A threshold that finds no object is never chosen. Class by class, a rule holds for each class alone,
so F is then the false positives per picture of that class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from kit.errors import DataError, GateRefused, UsageError
from kit.evaluate.intervals import RESAMPLES, draws
from kit.evaluate.matches import Matches
from kit.evaluate.operating import AtPoint, at_point, count, rates, right, spread, wrong

_RULES = "sensitivity=S (0 < S <= 1), fppi=F (F >= 0) or f1"
_EPS = 1e-9  # 0.7 of 10 objects is 7 of them, whatever floats say


@dataclass(frozen=True)
class Rule:
    """``value`` is S or F; None for f1."""

    kind: Literal["sensitivity", "fppi", "f1"]
    value: float | None = None

    def __str__(self) -> str:
        return self.kind if self.value is None else f"{self.kind}={self.value:g}"


def parse_rule(text: str) -> Rule:
    """A rule in words.

    Raises:
        UsageError: not one; the message lists them.
    """
    if text == "f1":
        return Rule("f1")
    kind, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if kind == "sensitivity" and 0 < value <= 1:
        return Rule("sensitivity", value)
    if kind == "fppi" and 0 <= value < float("inf"):
        return Rule("fppi", value)
    raise UsageError(f"{text!r} is no rule", where="--rule", fix=f"rules are {_RULES}")


Intervals: TypeAlias = Mapping[str, tuple[float, float] | None]
"""Of ``sensitivity``, ``precision`` and ``fppi``, 95 %; None as :func:`spread` says."""


@dataclass(frozen=True)
class Chosen:
    """A threshold, and what it does.

    Attributes:
        threshold: the score chosen; of all classes together it is the shared one.
        fitted: on the very pictures that chose it, so it flatters.
        expected: what the rule brings on as many other pictures, see :func:`choose`.
        note: why a class has no threshold of its own; None where it has, or none was asked for.
    """

    threshold: float
    fitted: AtPoint
    expected: Intervals
    note: str | None = None


@dataclass(frozen=True)
class Choice:
    """What a rule chose.

    Attributes:
        together: all classes, each at its threshold.
        classes: each at its own threshold, or at the shared one.
        own: thresholds of the classes that have one of their own.
    """

    rule: Rule
    together: Chosen
    classes: Mapping[str, Chosen]
    own: Mapping[str, float] = field(default_factory=dict)


def choose(
    matches: Mapping[str, Matches],
    rule: Rule,
    *,
    per_class: bool = False,
    resamples: int = RESAMPLES,
) -> Choice:
    """Choose by a rule, for all classes together or for each.

    A class without objects keeps the shared threshold, with a note. What the rule brings elsewhere
    is found by choosing on pictures drawn with replacement, and counting on as many drawn from
    those left out (the out-of-bag bootstrap: Efron 1983, "Estimating the error rate of a prediction
    rule"). So the interval holds both chances: that others had chosen another threshold, and that
    it is counted on others. A draw that can't meet the rule takes what comes nearest.

    Raises:
        DataError: there is no object, or no detection.
        GateRefused: the rule can't be met, by all or by a class; the message tells what can be.
    """
    if not any(each.objects.any() for each in matches.values()):
        raise DataError("not measurable: no objects on the valid pictures to choose a threshold by")
    if not any(len(each.score) for each in matches.values()):
        raise DataError("not measurable: the detector finds nothing on the valid pictures")
    everything = _Pool(matches)
    own = {name: _Pool({name: each}) for name, each in matches.items() if each.objects.any()}
    own = own if per_class else {}
    thresholds = _require({_ALL: everything, **own}, rule)
    shared = thresholds.pop(_ALL)
    moved = everything.chosen_elsewhere(rule, resamples)
    together, classes = np.zeros((3, resamples)), {}
    for name, each in matches.items():
        at = own[name].chosen_elsewhere(rule, resamples) if name in own else moved
        counts = _Pool({name: each}).counted_elsewhere(at)
        together += counts
        classes[name] = Chosen(
            thresholds.get(name, shared),
            at_point(count({name: each}, shared, thresholds)),
            _intervals(counts, everything.pictures),
            "no objects: it keeps the shared threshold" if per_class and name not in own else None,
        )
    fitted = at_point(count(matches, shared, thresholds))
    whole = Chosen(shared, fitted, _intervals(together, everything.pictures))
    return Choice(rule, whole, classes, thresholds)


_ALL = ""  # no class is called so


def _require(pools: Mapping[str, _Pool], rule: Rule) -> dict[str, float]:
    """The threshold of each."""
    thresholds, unmet = {}, []
    for name, pool in pools.items():
        threshold, most = pool.choose(rule)
        if threshold is None:
            unmet.append(f"{name or 'all classes'}: {most}")
        else:
            thresholds[name] = threshold
    if unmet:
        raise GateRefused(
            f"{rule} can't be met on the valid pictures, no bundle was written:\n  "
            + "\n  ".join(unmet),
            fix="name a value that can be reached, or another rule",
        )
    return thresholds


def _intervals(counts: NDArray[np.float64], pictures: int) -> Intervals:
    return {name: spread(values) for name, values in rates(*counts, pictures=pictures).items()}


class _Pool:
    """Detections of some classes by descending score, to be weighed by picture.

    Attributes:
        scores: ``(K,)`` candidates: the scores there are, descending.
        last: ``(K,)`` the last detection that each candidate shows.
    """

    def __init__(self, matches: Mapping[str, Matches]) -> None:
        each = list(matches.values())
        score = np.concatenate([m.score for m in each])
        order = np.argsort(-score, kind="stable")
        score = score[order]
        self.picture = np.concatenate([m.picture for m in each])[order]
        self.right = np.concatenate([right(m) for m in each])[order]
        self.wrong = np.concatenate([wrong(m) for m in each])[order]
        self.objects = np.sum([m.objects for m in each], axis=0)
        self.pictures = len(self.objects)
        self.last = np.flatnonzero(np.append(score[1:] != score[:-1], True)[: len(score)])
        self.scores = score[self.last]

    def choose(self, rule: Rule) -> tuple[float | None, str]:
        """The threshold, None where the rule can't be met; and then what can be reached."""
        if not len(self.scores):
            return None, "nothing is found"
        hits, false, objects = self._totals(np.ones((1, self.pictures)))
        place = int(_places(rule, hits, false, objects, self.pictures)[0])
        found, alarms, total = float(hits[0, place]), float(false[0, place]), float(objects[0])
        told = f"at most {hits[0, -1] / total:.3f} of its {total:.0f} object(s) can be found"
        met = found > 0
        if rule.kind == "sensitivity":
            met &= found >= (rule.value or 0) * total - _EPS
        elif rule.kind == "fppi" and hits[0, -1]:
            least = float(false[0, np.flatnonzero(hits[0])[0]]) / self.pictures
            met &= alarms <= (rule.value or 0) * self.pictures + _EPS
            told = f"the first object is found with {least:.3g} false positives per picture"
        return (float(self.scores[place]) if met else None), told

    def chosen_elsewhere(self, rule: Rule, resamples: int) -> NDArray[np.float64]:
        """``(B,)`` thresholds that drawn pictures choose; above 1 where nothing is found."""
        if not len(self.scores):
            return np.full(resamples, np.inf)
        places = [
            _places(rule, *self._totals(rows), self.pictures)
            for rows in draws(self.pictures, resamples=resamples, seed=0)
        ]
        return np.asarray(self.scores[np.concatenate(places)])

    def counted_elsewhere(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(3, B)`` hits, false positives and objects on draws of the pictures that had no part in
        the choice, each at its threshold; NaN where all had."""
        shown = np.searchsorted(-self.scores, -thresholds, side="right")  # candidates
        parts, start = [], 0
        for rows in _left_out(self.pictures, len(thresholds)):
            hits, false, objects = self._totals(rows)
            place = shown[start : start + len(rows), None]
            start += len(rows)
            before = np.zeros((len(rows), 1))
            hits, false = (np.concatenate([before, each], axis=1) for each in (hits, false))
            taken = [np.take_along_axis(each, place, axis=1)[:, 0] for each in (hits, false)]
            known = np.where(rows.any(axis=1), 1.0, np.nan)
            parts.append(np.stack([*taken, objects]) * known)
        return np.concatenate(parts, axis=1)

    def _totals(self, rows: NDArray[np.int64] | NDArray[np.float64]) -> _Totals:
        """``(b, K)`` hits and false positives of each candidate, and ``(b,)`` objects, where
        ``rows`` ``(b, P)`` tells how often each picture counts."""
        weights = rows[:, self.picture].astype(np.float64)
        hits = np.cumsum(weights * self.right, axis=1)[:, self.last]
        false = np.cumsum(weights * self.wrong, axis=1)[:, self.last]
        return hits, false, np.asarray(rows @ self.objects, np.float64)


def _left_out(pictures: int, resamples: int) -> Iterator[NDArray[np.int64]]:
    """``(b, P)`` how often each picture is drawn from those that the draw of the same row lacks;
    a row of zeros where it lacks none."""
    rng = np.random.default_rng(1)
    for rows in draws(pictures, resamples=resamples, seed=0):
        lacking = rows == 0
        some = lacking.any(axis=1, keepdims=True)
        drawn = np.where(some, lacking, True)
        shares = drawn / drawn.sum(axis=1, keepdims=True)
        yield rng.multinomial(pictures, shares) * some


_Totals: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _places(
    rule: Rule,
    hits: NDArray[np.float64],
    false: NDArray[np.float64],
    objects: NDArray[np.float64],
    pictures: int,
) -> NDArray[np.int64]:
    """``(b,)`` candidate that each row chooses; where none meets the rule, what comes nearest."""
    if rule.kind == "sensitivity":
        enough = (hits >= (rule.value or 0) * objects[:, None] - _EPS) & (hits > 0)
        nearest = hits.argmax(axis=1)
        return np.asarray(np.where(enough.any(axis=1), enough.argmax(axis=1), nearest))
    if rule.kind == "fppi":
        allowed = false <= (rule.value or 0) * pictures + _EPS
        return np.asarray(np.where(allowed, hits, -1.0).argmax(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.nan_to_num(2 * hits / (hits + false + objects[:, None]))
    return np.asarray(f1.argmax(axis=1))
