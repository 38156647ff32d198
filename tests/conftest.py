"""For every test: no test touches the user's cache, and none is judged by the clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from kit import offline

offline.seal("onnxruntime")  # some tests import it without the kit around it

# The same examples every time, so that a failure is the change's; `make slow` looks further.
settings.register_profile("kit", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("KIT_EXAMPLES", "kit"))


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KIT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real datasets."""
    return _folder("KIT_DATA")


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder of real COCO weights."""
    return _folder("KIT_WEIGHTS")


def _folder(variable: str) -> Path:
    if not os.environ.get(variable):
        pytest.skip(f"{variable} is not set: there is no real data to test on")
    return Path(os.environ[variable])
