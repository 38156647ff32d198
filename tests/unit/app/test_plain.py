"""What Gradio would take for a file is none, and nothing of a call is kept."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

gr = pytest.importorskip("gradio", reason="gradio is not installed")

from gradio.events import api  # noqa: E402
from gradio.state_holder import SessionState  # noqa: E402
from gradio_client.utils import is_file_obj_with_meta  # noqa: E402

from kit.app.plain import PlainBlocks, names_file  # noqa: E402

FILE = {"path": "http://127.0.0.1:1/x", "meta": {"_type": "gradio.FileData"}}
values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.just(FILE),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


def holds(value: Any) -> bool:
    if is_file_obj_with_meta(value):
        return True
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(holds, inner))


@given(values)
def test_whatever_gradio_takes_for_a_file_is_found(value: Any) -> None:
    assert names_file(value) >= holds(value)


def test_values_are_values() -> None:
    assert not names_file(["text", 1, None, {"a": [1, {"b": "path"}]}])


def test_depth_has_an_end() -> None:
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    assert names_file(deep)


@pytest.fixture
def page() -> Any:
    def joined(a: str, b: str = "-") -> dict[str, str]:
        return {"said": a + b}

    with PlainBlocks(analytics_enabled=False) as page:
        api(joined, api_name="joined")
    return page


def call(page: Any, *inputs: Any) -> tuple[Any, Any]:
    (fn,) = page.fns.values()
    state = SessionState(page)
    told = asyncio.run(page.process_api(fn, list(inputs), state=state))
    return told["data"], state


def test_arguments_may_be_left_out_and_are_not_kept(page: Any) -> None:
    data, state = call(page, "a picture")
    assert data == [{"said": "a picture-"}]
    assert "a picture" not in str(state.blocks_config.blocks) + str(vars(state))
    assert call(page, "a", "b")[0] == [{"said": "ab"}]


@pytest.mark.parametrize("inputs", [(FILE,), ("a", [FILE]), ("a", "b", "c")])
def test_others_are_refused(page: Any, inputs: Any) -> None:
    with pytest.raises(gr.Error):
        call(page, *inputs)
