"""What only people can say of a detector: what it is for, for whom, who approved it.

It stands in a YAML file of the bundle. What nobody has said yet is told as such, with who should
say it; nothing is ever filled in by guessing.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from kit.binding import STRICT, bind, read_yaml
from kit.errors import CardError

MOST = 1 << 16
"""Bytes; a longer file is no statement."""


@dataclass(frozen=True)
class Lifted:
    """Who says that the detector may be used for more than research, since when, and why."""

    __pydantic_config__ = STRICT
    lifted_by: str
    date: datetime.date
    reason: str

    def __post_init__(self) -> None:
        for name in ("lifted_by", "reason"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name} is empty")


@dataclass(frozen=True)
class Statements:
    """Each is None until somebody has said it; :data:`ASKED` tells what is meant."""

    __pydantic_config__ = STRICT
    intended_use: str | None = None
    intended_users: str | None = None
    population: str | None = None
    out_of_scope: str | None = None
    data_origin: str | None = None
    reference_standard: str | None = None
    ethics: str | None = None
    approval: str | None = None
    oversight: str | None = None
    maintenance: str | None = None
    contact: str | None = None
    research_use_only: Lifted | None = None

    def __post_init__(self) -> None:
        empty = [
            each.name
            for each in fields(self)
            if isinstance(text := getattr(self, each.name), str) and not text.strip()
        ]
        if empty:
            raise ValueError("; ".join(f"{name} is empty: write it, or leave it" for name in empty))


@dataclass(frozen=True)
class Asked:
    """A statement that is asked for: its title, who can make it, and what it should tell."""

    title: str
    by: str
    tell: str


ASKED: Mapping[str, Asked] = {
    "intended_use": Asked(
        "Intended use",
        "who puts it to use",
        "what is done with what it shows, at which step of the work",
    ),
    "intended_users": Asked(
        "Intended users", "who puts it to use", "their profession, and what they must have learned"
    ),
    "population": Asked(
        "Population",
        "who puts it to use",
        "whose samples, by age, condition, place; how they are prepared and photographed",
    ),
    "out_of_scope": Asked(
        "Not to be used for", "who puts it to use", "what it was not made for, though it might work"
    ),
    "data_origin": Asked(
        "Where the pictures come from",
        "who collected them",
        "sites, devices, dates; who was included and who was not",
    ),
    "reference_standard": Asked(
        "Who labelled them and how",
        "who labelled the pictures",
        "how many people of which training, by which rules, and how they settled differences",
    ),
    "ethics": Asked(
        "Ethics and consent",
        "who is responsible for the data",
        "consent or its waiver, the committee, how pictures were made anonymous",
    ),
    "approval": Asked(
        "Approval", "who is responsible for its use", "what was approved, by whom, when"
    ),
    "oversight": Asked(
        "Clinical oversight",
        "who is responsible for its use",
        "who looks at its answers, who may overrule it, what happens where it fails",
    ),
    "maintenance": Asked(
        "Maintenance", "who runs it", "how it is watched, when it is measured again or withdrawn"
    ),
    "contact": Asked("Contact", "who runs it", "to whom errors are told"),
}
"""By field of :class:`Statements`, in the order of the model card."""

TEMPLATE = "\n".join(
    (
        "# What only people can say of a detector. Take the # from what you can tell, and write",
        "# after the colon; more than a line goes below `key: |`, indented. Then:",
        "#     kit card BUNDLE REPORT... --statements THIS_FILE",
        "",
        *(
            f"# {each.title}: {each.tell}.\n# (To be filled in by: {each.by}.)\n# {name}:\n"
            for name, each in ASKED.items()
        ),
        '# "Research use only. Not a medical device." stays on the card until somebody takes',
        "# responsibility for more. The card then tells who did, and when.",
        "# research_use_only:",
        "#   lifted_by:",
        "#   date: YYYY-MM-DD",
        "#   reason:",
        "",
    )
)
"""An empty file of statements, which asks for them."""


def read_statements(path: Path) -> Statements:
    """Read a file of statements.

    Raises:
        CardError: unreadable, not YAML, or with mistakes in it; one message names them all.
    """
    fix = "`kit card BUNDLE --template FILE` writes one to fill in"
    try:
        data, lines = read_yaml(path, most=MOST)
    except CardError as error:
        raise CardError(error.what, where=path, fix=fix) from error
    return bind(Statements, {} if data is None else data, where=path, lines=lines)
