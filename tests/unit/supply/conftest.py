"""What is installed, looked at once."""

from __future__ import annotations

import pytest

from kit.supply.component import Component
from kit.supply.inventory import installed

pytest.importorskip("license_expression")


@pytest.fixture(scope="session")
def here() -> tuple[Component, ...]:
    """Of the environment that runs the tests."""
    return installed()
