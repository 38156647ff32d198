"""Write a network at the graph waist as ONNX. The only step of an export that needs torch."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import onnx
import torch
from torch import nn

from kit import __version__
from kit.binding import plain
from kit.bundle import Bundle
from kit.errors import BundleError
from kit.families import load_family
from kit.families.checkpoint import load_weights
from kit.files import sha256_json
from kit.runtime.contract import FEATURES, INPUT, OUTPUTS, check

OPSET = 17
"""Old enough for every consumer (the CUDA provider lacks some newer operators), new enough for
LayerNormalization."""


class Written(NamedTuple):
    """An ONNX graph, the rows N its outputs have, and how many pictures it takes at once."""

    model: onnx.ModelProto
    rows: int
    max_batch: int | None


def from_checkpoint(bundle: Bundle) -> Written:
    """Write the network of a checkpoint bundle.

    Raises:
        BundleError: see :func:`write_graph`.
    """
    card = bundle.card
    family = load_family(card.family)
    network = family.build(
        card.architecture, len(card.classes), int(card.training["pretrained_classes"])
    )
    load_weights(network, bundle)
    return write_graph(
        family.graph(network, card.input.size),
        size=card.input.size,
        classes=len(card.classes),
        metadata=_metadata(bundle),
        max_batch=family.max_batch(network),
    )


def write_graph(
    graph: nn.Module,
    *,
    size: int,
    classes: int,
    metadata: Mapping[str, str],
    max_batch: int | None = None,
) -> Written:
    """Export, check and label a graph.

    Args:
        graph: ``(B, S, S, 3)`` uint8 BGR to ``(boxes, scores, features)``.
        size: S, fixed in the file.
        classes: C.
        metadata: strings stored inside the file.
        max_batch: pictures at once, fixed in the file; None leaves the batch open.

    Raises:
        BundleError: the graph breaks the promise of the waist, or is not valid ONNX.
    """
    # two different pictures: were an open batch frozen at one, the second would tell
    batch = max_batch or 2
    images = torch.from_numpy(
        np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    )
    graph = graph.cpu().eval()
    with torch.inference_mode():
        outputs = graph(images)
    arrays = [value.numpy() for value in outputs if value is not None]
    check(*arrays, classes=classes, batch=batch, size=size)
    names = [*OUTPUTS, FEATURES][: len(arrays)]

    file = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # the tracer warns of python branches on shapes; the size is fixed on purpose, and the
        # parity gate runs what comes out
        warnings.simplefilter("ignore")
        torch.onnx.export(
            graph,
            (images,),
            file,  # type: ignore[arg-type]  # a file is taken too without dynamo
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=names,
            dynamic_axes=None if max_batch else {name: {0: "batch"} for name in (INPUT, *names)},
            dynamo=False,  # its graphs are plainer, and it folds batch normalisation into filters
        )
    model = onnx.load_from_string(file.getvalue())
    for output, value in zip(model.graph.output, arrays, strict=True):
        for axis, length in enumerate(value.shape):  # all but an open batch are fixed: say so
            if axis or max_batch:
                output.type.tensor_type.shape.dim[axis].dim_value = length
    onnx.helper.set_model_props(model, dict(metadata))
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise BundleError(f"the exported graph is not valid ONNX ({error})") from error
    return Written(model, arrays[0].shape[1], max_batch)


def _metadata(bundle: Bundle) -> dict[str, str]:
    """What the file itself says, for those who meet it without its card."""
    card = bundle.card
    return {
        "classes": _text(list(card.classes)),
        "input": _text(plain(card.input)),
        "suppress": _text(None if card.suppress is None else plain(card.suppress)),
        "cap": _text(card.cap),
        "licence": card.licence,
        "opset": _text(OPSET),
        "checkpoint_sha256": bundle.sha256,
        "manifests_sha256": _text(dict(card.manifests)),
        "recipe_sha256": sha256_json(card.training.get("recipe")),
        "made_by": f"detector-kit {__version__}",
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
