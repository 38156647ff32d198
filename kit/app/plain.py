"""A Gradio page that fetches nothing for its callers, and keeps nothing of what they call with.

Gradio takes an object that says it is a file for one: it reads it, or asks whatever host it names,
and asks a public name server first. It keeps the last value of every call's arguments in the
session, for an hour, and prints those of a call with too few of them. Here arguments are values.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.components.api_component import Api

from kit.app import strings as say


class PlainBlocks(gr.Blocks):
    """Blocks without files."""

    async def preprocess_data(
        self, block_fn: Any, inputs: list[Any], state: Any, explicit_call: bool = False
    ) -> list[Any]:
        if names_file(inputs):
            raise gr.Error(say.API_NO_FILES, print_exception=False)
        if not _for_programs(block_fn.inputs):
            kept: list[Any] = await super().preprocess_data(block_fn, inputs, state, explicit_call)
            return kept
        missing = [block.value for block in block_fn.inputs[len(inputs) :]]
        if len(inputs) > len(block_fn.inputs):
            raise gr.Error(say.API_MANY.format(most=len(block_fn.inputs)), print_exception=False)
        return [*inputs, *missing]

    async def postprocess_data(self, block_fn: Any, predictions: Any, state: Any) -> list[Any]:
        if len(block_fn.outputs) == 1 and _for_programs(block_fn.outputs):
            return [predictions]
        shown: list[Any] = await super().postprocess_data(block_fn, predictions, state)
        return shown


def names_file(value: object) -> bool:
    """Whether anything in it would be taken for a file; looks no deeper than anybody means to."""
    waiting = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > 32 or (isinstance(each, dict) and isinstance(each.get("path"), str)):
            return True
        if isinstance(each, dict):
            waiting += [(inner, depth + 1) for inner in each.values()]
        elif isinstance(each, list | tuple):
            waiting += [(inner, depth + 1) for inner in each]
    return False


def _for_programs(blocks: Any) -> bool:
    return all(isinstance(block, Api) for block in blocks)
