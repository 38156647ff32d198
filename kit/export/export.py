"""A checkpoint bundle in, an ONNX bundle out."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, replace
from pathlib import Path

from safetensors.torch import load_file

from kit import __version__, door
from kit.binding import plain
from kit.bundle import Bundle, BundleCard, save_bundle
from kit.data.dataset import Dataset
from kit.errors import BundleError
from kit.export.graph import OPSET, as_text, write_graph
from kit.export.parity import Parity, compare, require
from kit.families import load_family
from kit.files import refuse_existing, sha256_json
from kit.progress import SILENT, Progress

GRAPH = "model.onnx"


def export_onnx(
    bundle: Bundle,
    dataset: Dataset,
    manifest: str,
    out: Path,
    *,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Bundle, Parity]:
    """Export a checkpoint as fp32 ONNX.

    Args:
        bundle: of kind ``checkpoint``.
        dataset: the pictures the gate compares on, usable boxes only: the valid split.
        manifest: their sha256.
        out: directory of the new bundle.

    Raises:
        BundleError: not a checkpoint, or the graph is unsound.
        GateRefused: the graph differs from the checkpoint; nothing was written.
    """
    refuse_existing(out)
    if bundle.card.kind != "checkpoint":
        raise BundleError(
            f"an {bundle.card.kind} bundle is exported already", where=bundle.directory
        )
    family, old = load_family(bundle.card.family), bundle.card
    network = family.build(
        old.architecture, len(old.classes), int(old.training["pretrained_classes"])
    )
    network.load_state_dict(load_file(bundle.weights))
    progress.note("writing the graph")
    max_batch = family.max_batch(network)
    content, rows = write_graph(
        family.graph(network, old.input.size),
        size=old.input.size,
        classes=len(old.classes),
        metadata=_metadata(bundle),
        max_batch=max_batch,
    )
    card = replace(
        old,
        kind="onnx",
        weights=GRAPH,
        files={},
        boxes=rows,
        max_batch=max_batch,
        precision="fp32",
        backends=("onnxruntime",),
        parent=bundle.sha256,
        reports={},
        made_by=f"detector-kit {__version__}",
    )
    with tempfile.TemporaryDirectory(prefix="kit-export-") as folder:
        trial = save_bundle(Path(folder) / "trial", card, {GRAPH: content})
        candidate = door.open(trial.directory, backend="onnxruntime", device="cpu", threads=threads)
        reference = door.open(bundle.directory, device="cpu", threads=threads)
        parity = compare(reference, candidate, dataset, manifest=manifest, progress=progress)
    require(parity)
    return save_bundle(out, _judged(card, parity), {GRAPH: content}), parity


def _judged(card: BundleCard, parity: Parity) -> BundleCard:
    report = asdict(parity)
    report.pop("refused")
    valid = {**parity.candidate, "manifest": parity.manifest}
    return replace(card, reports={"valid": valid, "parity": report})


def _metadata(bundle: Bundle) -> dict[str, str]:
    """What the file itself says, for those who meet it without its card."""
    card = bundle.card
    return {
        "classes": as_text(list(card.classes)),
        "input": as_text(plain(card.input)),
        "suppress": as_text(None if card.suppress is None else plain(card.suppress)),
        "cap": as_text(card.cap),
        "licence": card.licence,
        "opset": as_text(OPSET),
        "checkpoint_sha256": bundle.sha256,
        "manifests_sha256": as_text(dict(card.manifests)),
        "recipe_sha256": sha256_json(card.training.get("recipe")),
        "made_by": f"detector-kit {__version__}",
    }
