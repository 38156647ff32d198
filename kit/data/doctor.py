"""Judge a dataset before anything is learned from it.

An error is a fault that makes a trained detector or its score wrong without anybody noticing:
labels that were lost, pictures that can't be read, test pictures that were trained on. Everything
that training and scoring can live with, once the user knows, is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from kit.data import findings
from kit.data.boxes import clipped, drop, listed, usable_mask
from kit.data.dataset import Dataset
from kit.data.findings import Finding, present
from kit.data.similar import scan
from kit.errors import DataError, UsageError
from kit.progress import SILENT, Progress

MEND = "mend or leave out these pictures; `kit data split` draws splits without leaks"
"""What to do about errors."""

_Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        findings: errors first.
        counts: objects by split and class; the key ``all`` stands for the whole folder.
        perfect: lower end of the 95 % interval (Wilson 1927) that finding every object of the test
            split would leave for sensitivity, by class, and under ``all`` over all classes.
    """

    name: str
    pictures: Mapping[str, int]
    counts: Mapping[str, Mapping[str, int]]
    perfect: Mapping[str, float]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def require_sound(self, where: object) -> None:
        """Raise where there are errors.

        Raises:
            DataError: holding all of them.
        """
        if self.errors:
            lines = "\n".join(f"  {finding}" for finding in self.errors)
            raise DataError(
                f"the dataset has {len(self.errors)} kind(s) of error\n{lines}",
                where=where,
                fix=MEND,
            )


def examine(
    dataset: Dataset, *, group_by: str | None = None, progress: Progress = SILENT
) -> Diagnosis:
    """Look at every picture and every label.

    Args:
        group_by: regular expression over ids whose first group names the patient or slide; without
            it the dataset's own groups are used, where it has them.

    Raises:
        UsageError: ``group_by`` is not a regular expression with a group, or matches nothing.
    """
    groups = groups_of(dataset, group_by)
    seen = scan(dataset, progress)
    found = [
        *findings.notes(dataset, seen),
        *findings.boxes(dataset),
        *findings.classes(dataset),
        *findings.splits(dataset),
        *findings.similar(dataset, seen),
        *findings.grouped(dataset, groups),
    ]
    dataset = listed(dataset)
    counts = {"all": dataset.class_counts()}
    counts |= {split: dataset.class_counts(dataset.splits[split]) for split in present(dataset)}
    perfect = {}
    if "test" in counts:
        objects = usable(dataset.select(dataset.splits["test"])).class_counts()
        objects["all"] = sum(objects.values())
        perfect = {name: wilson_perfect(count) for name, count in objects.items()}
        found += findings.tiny_test(objects, perfect)
    return Diagnosis(
        name=dataset.name,
        pictures={"all": len(dataset)}
        | {split: len(dataset.splits[split]) for split in present(dataset)},
        counts=counts,
        perfect=perfect,
        findings=tuple(
            sorted(
                (_accept(each) if each.code in dataset.accepted else each for each in found),
                key=lambda finding: finding.severity != "error",
            )
        ),
    )


def _accept(finding: Finding) -> Finding:
    """An error its card knows of and accepts."""
    return replace(finding, severity="warning", message=f"{finding.message} (known and accepted)")


def usable(dataset: Dataset) -> Dataset:
    """The dataset that is trained on and scored: boxes clipped to their picture; those that have no
    area then, or no class in the list, are dropped. The doctor counts what this changes."""
    return drop(dataset, usable_mask(dataset), clipped(dataset))


def groups_of(dataset: Dataset, pattern: str | None) -> tuple[str | None, ...] | None:
    """Patient or slide of each picture; None for those the pattern says nothing of.

    Raises:
        UsageError: not a regular expression with a group, or no id matches it.
    """
    if pattern is None:
        return dataset.groups
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"not a regular expression ({error})", where=pattern) from error
    if not compiled.groups:
        raise UsageError(
            "the expression has no (group) that names the patient or slide",
            where=pattern,
            fix="for example --group-by 'slide([0-9]+)'",
        )
    groups = tuple(match[1] if (match := compiled.search(id_)) else None for id_ in dataset.ids)
    if all(group is None for group in groups):
        first = dataset.ids[0] if dataset.ids else "(no pictures)"
        raise UsageError(f"matches no picture; the first is {first}", where=pattern)
    return groups


def wilson_perfect(count: int) -> float:
    """Lower end of Wilson's 95 % interval for ``count`` hits of ``count`` (Wilson 1927)."""
    return count / (count + _Z**2)
