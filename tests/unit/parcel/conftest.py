"""A small parcel that every test of this folder may read, and keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from doubles.keys import make_keys
from doubles.parcel import tiny_parcel

pytest.importorskip("cyclonedx")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Private and public."""
    return make_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def other_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody else's public key."""
    return make_keys(tmp_path_factory.mktemp("keys"), "their")[1]


@pytest.fixture(scope="session")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_parcel(tmp_path_factory.mktemp("unsigned"))


@pytest.fixture(scope="session")
def signed(tmp_path_factory: pytest.TempPathFactory, keys: tuple[Path, Path]) -> Path:
    return tiny_parcel(tmp_path_factory.mktemp("signed"), private=keys[0])
