"""Licences as SPDX expressions, from what metadata says in its many ways.

``License-Expression`` (PEP 639) is one already. Before it there were classifiers and a free field;
``licences.yaml`` says what their words mean. Words that could mean two licences ("BSD") mean none
here, and a person has to look: what they found stands in the same file, with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from kit.binding import STRICT, bind, read_yaml
from kit.errors import MissingPackage

_TABLE = Path(__file__).parent / "licences.yaml"
_LONG = 80
"""A License field longer than this holds a text, not a name."""


@dataclass(frozen=True)
class Licence:
    """What a distribution is under.

    Attributes:
        expression: in SPDX's language; empty where it is not known.
        said: what metadata says, word for word, shortened.
        known_by: ``License-Expression``, ``License``, ``classifier`` or ``review``.
        why: what a person found, where one had to look.
    """

    expression: str = ""
    said: str = ""
    known_by: str = ""
    why: str = ""


NOT_KNOWN = Licence()
"""Of what says nothing."""


@dataclass(frozen=True)
class Review:
    """What a person found out where metadata says too little.

    Attributes:
        name: of the distribution, normalised.
        said: what metadata said then; where it says something else now, the review is out of date
            and means nothing.
    """

    __pydantic_config__ = STRICT
    name: str
    said: str
    licence: str
    why: str


@dataclass(frozen=True)
class Table:
    """``licences.yaml``.

    Attributes:
        classifiers: SPDX expression by the last part of a classifier.
        broad: what the field ``License`` may choose from, by the last part of a classifier that
            only says which kind.
        fields: SPDX expression by what stands in the field ``License``, in lower case.
    """

    __pydantic_config__ = STRICT
    classifiers: Mapping[str, str]
    broad: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, str]
    reviewed: tuple[Review, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [review.name for review in self.reviewed]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"reviewed twice: {', '.join(twice)}")
        expressions = (*self.classifiers.values(), *self.fields.values())
        for text in (*expressions, *(review.licence for review in self.reviewed)):
            if not spdx(text):
                raise ValueError(f"not an SPDX expression: {text}")


@cache
def table() -> Table:
    """What the words of metadata mean.

    Raises:
        CardError: mistakes in the file.
    """
    data, lines = read_yaml(_TABLE)
    return bind(Table, data, where=_TABLE, lines=lines)


def licence_of(
    name: str, *, expression: str = "", field: str = "", classifiers: Sequence[str] = ()
) -> Licence:
    """What a distribution is under, from the three places metadata may tell it.

    Args:
        name: normalised.
        classifiers: those that begin with ``License ::``.
    """
    said = _said(expression, field, classifiers)
    for review in table().reviewed:
        if (review.name, review.said) == (name, said):
            return Licence(review.licence, said, "review", review.why)
    if expression:
        return Licence(spdx(expression), said, "License-Expression")
    exact, broad = _by_classifiers(classifiers)
    by_field = _by_field(field)
    if exact is None or (broad and by_field and by_field not in broad):
        return Licence("", said)
    # where both tell and differ nobody can say which holds: both do
    known = {name: text for name, text in (("License", by_field), ("classifier", exact)) if text}
    together = spdx(" AND ".join(f"({text})" for text in known.values()))
    return Licence(together, said, " and ".join(known))


def reviewed_licence(name: str) -> Licence:
    """Of a distribution that is not here to be asked: what a person found, or nothing."""
    for review in table().reviewed:
        if review.name == name:
            return Licence(review.licence, review.said, "review", review.why)
    return NOT_KNOWN


def spdx(text: str) -> str:
    """An expression in SPDX's own spelling, each licence once; empty where it is none.

    ``LicenseRef-`` names are taken as they are: SPDX leaves them to whoever needs them.
    """
    tree = parse(text)
    return "" if tree is None else str(tree.render())


def parse(text: str) -> Any | None:
    """The tree of an expression (:mod:`license_expression`), or None where it is none."""
    licensing = _licensing()
    from license_expression import ExpressionError

    try:
        tree = licensing.dedup(licensing.parse(text)) if text.strip() else None
    except (ExpressionError, ValueError):
        return None
    if tree is None:
        return None
    unknown = licensing.unknown_license_keys(tree)
    return None if any(not key.startswith("LicenseRef-") for key in unknown) else tree


def identifiers(expression: str) -> set[str]:
    """Every licence an expression names, one WITH an exception as a whole."""
    tree = parse(expression)
    return set() if tree is None else {str(each.render()) for each in tree.symbols}


@cache
def _licensing() -> Any:
    try:
        from license_expression import get_spdx_licensing
    except ModuleNotFoundError as error:
        raise MissingPackage("license-expression", "supply") from error
    return get_spdx_licensing()


def _said(expression: str, field: str, classifiers: Sequence[str]) -> str:
    """All that metadata says, in one short line."""
    if expression:
        return expression
    words = [*field.split("\n", 1)[:1], *(_last(text) for text in classifiers)]
    return "; ".join(word.strip()[:_LONG] for word in words if word.strip())


def _by_field(text: str) -> str:
    if len(text.strip()) > _LONG or "\n" in text.strip():
        return ""
    return table().fields.get(" ".join(text.lower().split()), "") or spdx(text)


def _by_classifiers(texts: Sequence[str]) -> tuple[str | None, set[str]]:
    """What they say together, empty where nothing exact, None where one is not in the table; and
    what the broad ones leave to choose from."""
    words, known = [_last(text) for text in texts], table()
    if any(word not in known.classifiers and word not in known.broad for word in words):
        return None, set()
    exact = [known.classifiers[word] for word in words if word in known.classifiers]
    broad = {each for word in words for each in known.broad.get(word, ())}
    return " AND ".join(f"({each})" for each in exact), broad


def _last(classifier: str) -> str:
    return classifier.rpartition("::")[2].strip()
