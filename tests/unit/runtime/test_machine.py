"""What the machine tells of itself."""

from __future__ import annotations

import pytest

from kit.runtime import machine


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 UTC 2024\nGCC",
         "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build  (b@x)",
         "540.4.0"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_driver_by_its_own_words(
    monkeypatch: pytest.MonkeyPatch, told: str, version: str
) -> None:
    monkeypatch.setattr(machine, "_read", lambda _: told)
    assert machine.gpu_driver() == version
