"""Which pictures exactly: splits, samples, calibration sets and benchmark inputs are Manifests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from kit.binding import bind, plain
from kit.errors import DataError
from kit.files import read_json, sha256_json, write_json


@dataclass(frozen=True)
class Manifest:
    """A frozen, ordered, hashed list of pictures.

    Attributes:
        ids: pictures, by their id in the dataset, in order.
        pictures: sha256 of each picture file.
        truth: sha256 of their labels (:meth:`kit.data.dataset.Dataset.truth_sha256`).
        rule: how they were chosen, in words.
        seed: of the choice.
        class_counts: objects per class.
        facts: what else is worth knowing (entropy before and after, what was reached); plain JSON.
    """

    ids: tuple[str, ...]
    pictures: tuple[str, ...]
    truth: str
    rule: str
    seed: int
    class_counts: Mapping[str, int]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def sha256(self) -> str:
        """What is in it: pictures and labels, in order; not how it was drawn."""
        return sha256_json([list(self.ids), list(self.pictures), self.truth])

    @property
    def objects(self) -> int:
        return sum(self.class_counts.values())

    def save(self, path: Path) -> None:
        write_json(path, {**plain(self), "sha256": self.sha256})

    @classmethod
    def load(cls, path: Path) -> Manifest:
        """Read a manifest back.

        Raises:
            DataError: missing, not a manifest, or changed since it was written.
        """
        data = read_json(path, "a manifest", error=DataError, fix="make one with `kit sample`")
        if not isinstance(data, dict):
            raise DataError("not a manifest", where=path)
        digest = data.pop("sha256", None)
        manifest = bind(cls, data, where=path, error=DataError)
        if digest != manifest.sha256:
            raise DataError("the manifest was changed since it was written", where=path)
        return manifest


class Measured(Protocol):
    """A report of any kind."""

    @property
    def bundle(self) -> str: ...

    @property
    def manifest_sha256(self) -> str: ...


def require_same_manifest(*reports: Measured) -> None:
    """Reports can be compared only where they looked at the same pictures and labels.

    Raises:
        DataError: they did not.
    """
    for other in reports[1:]:
        if other.manifest_sha256 != reports[0].manifest_sha256:
            raise DataError(
                f"{reports[0].bundle} and {other.bundle} were measured on different pictures or "
                f"labels ({reports[0].manifest_sha256[:12]}, {other.manifest_sha256[:12]})",
                fix="measure both on the same split of the same dataset",
            )
