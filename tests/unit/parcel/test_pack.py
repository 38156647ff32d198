"""What is packed: everything that is needed, nothing that should not leave, the same each time."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from doubles.parcel import FOLDER, members, tiny_bundle, tiny_parcel
from PIL import Image as Pillow

from kit.errors import BundleError, DataError, UsageError
from kit.parcel.contents import Image, Order
from kit.parcel.manifest import MANIFEST, README, SIGNATURE, SUMS
from kit.parcel.pack import pack
from kit.parcel.unpack import unpack
from kit.pixels import read_picture

DIGEST = "sha256:" + "0" * 64


def packed(folder: Path, **order: object) -> dict[str, bytes]:
    bundle = order.pop("bundle", None) or tiny_bundle(folder / "bundle")
    pack(Order(FOLDER, bundle, **order), folder / "out.tar")  # type: ignore[arg-type]
    return members(folder / "out.tar")


def test_what_is_inside(signed: Path) -> None:
    files = members(signed)
    assert list(files)[:4] == [MANIFEST, SUMS, SIGNATURE, README]
    assert {path for path in files if not path.startswith("licences/")} == {
        MANIFEST, SUMS, SIGNATURE, README, "LICENCES.md", "licences.json", "requirements.txt",
        "sbom.cdx.json", "bundle/card.json", "bundle/card.sig", "bundle/w.onnx",
        "cards/models-yolov8n.yaml", "cards/datasets-bccd.yaml", "image/REFERENCE.txt",
        "wheels/alpha-1.0-py3-none-any.whl", "wheels/beta-1.0-py3-none-any.whl",
        "wheels/detector_kit-1.0-py3-none-any.whl",
    }  # fmt: skip
    assert b"Apache License" in files["licences/LICENSE"]
    assert files["licences/alpha-1.0/licenses-LICENSE"] == b"The licence of alpha.\n"
    bill = json.loads(files["sbom.cdx.json"])
    kinds = {each["name"]: each["type"] for each in bill["components"]}
    assert kinds == {
        "tiny": "machine-learning-model", "alpha": "library", "beta": "library",
        "detector-kit": "library",
    }  # fmt: skip
    assert b"tiny, from yolov8n: AGPL-3.0" in files["LICENCES.md"]
    told = json.loads(files["licences.json"])
    assert told["model"]["licence"] == "AGPL-3.0"


def test_the_bill_is_valid(signed: Path) -> None:
    validation = pytest.importorskip("cyclonedx.validation.json")
    pytest.importorskip("jsonschema")
    from cyclonedx.schema import SchemaVersion

    text = members(signed)["sbom.cdx.json"].decode()
    assert validation.JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_the_same_is_packed_the_same(signed: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    assert tiny_parcel(tmp_path / "again", private=keys[0]).read_bytes() == signed.read_bytes()


def test_nothing_that_lies_beside_goes_along(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    (bundle.directory / "patients.csv").write_text("Doe")
    (bundle.directory / ".cache").mkdir()
    files = packed(tmp_path, bundle=bundle)
    assert {path for path in files if path.startswith("bundle/")} == {
        "bundle/card.json", "bundle/w.onnx",
    }  # fmt: skip


def test_samples_lose_names_and_metadata(tmp_path: Path) -> None:
    pixels = np.full((40, 60, 3), 90, np.uint8)
    pixels[:20] = 200
    exif = Pillow.Exif()
    exif[0x010E] = "Jane Doe, born 1950"
    exif[0x0112] = 6  # lying on its side
    path = tmp_path / "jane-doe-1950.jpg"
    Pillow.fromarray(pixels).save(path, exif=exif, quality=95, comment=b"Jane Doe")
    assert b"Jane Doe" in path.read_bytes()
    files = packed(tmp_path, samples=[path, path])
    names = [name for name in files if name.startswith("samples/")]
    assert names == ["samples/sample-1.jpg", "samples/sample-2.jpg"]
    data = files[names[0]]
    assert b"Doe" not in b"".join(files.values())
    with Pillow.open(io.BytesIO(data)) as picture:
        assert not picture.getexif()
        assert not picture.info.get("comment")
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == (60, 40, 3)  # upright
    assert np.abs(shown.astype(int) - read_picture(path)).mean() < 3


def test_what_is_no_picture_is_no_sample(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no")
    with pytest.raises(DataError, match="not a picture"):
        packed(tmp_path, samples=[tmp_path / "a.jpg"])
    assert not (tmp_path / "out.tar").exists()


def test_an_image_by_its_digest_or_whole(tmp_path: Path) -> None:
    (tmp_path / "edge.tar").write_bytes(b"an image" * 300_000)
    files = packed(tmp_path, image=Image(f"site/kit@{DIGEST}", tmp_path / "edge.tar"))
    assert files["image/archive.tar"] == (tmp_path / "edge.tar").read_bytes()
    assert files["image/REFERENCE.txt"].decode() == f"site/kit@{DIGEST}\n"
    assert b"docker load --input image/archive.tar" in files[README]
    for wrong in ("kit:latest", f"kit@{DIGEST[:-1]}", f"kit; rm -rf@{DIGEST}", DIGEST):
        with pytest.raises(UsageError, match="named with its digest"):
            Image(wrong)
    with pytest.raises(UsageError, match="no such file"):
        Image(archive=tmp_path / "none.tar")


def test_what_changes_while_it_is_packed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    for content in (b"Weights", b"weights and more", b"w"):
        (tmp_path / "bundle" / "w.onnx").write_bytes(b"weights")

        def changed(data: bytes, files: object, content: bytes = content) -> bytes:
            (tmp_path / "bundle" / "w.onnx").write_bytes(content)
            return b"sums"

        with monkeypatch.context() as patch:
            patch.setattr("kit.parcel.pack.sums_bytes", changed)
            with pytest.raises(UsageError, match="changed while it was packed"):
                pack(Order(FOLDER, bundle), tmp_path / "out.tar")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle"]


def test_a_name_that_cant_travel_is_refused(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle", weights="w.onnx")
    card = json.loads((bundle.directory / "card.json").read_text())
    shutil.move(bundle.directory / "w.onnx", bundle.directory / "my weights.onnx")
    card["files"] = {"my weights.onnx": card["files"]["w.onnx"]}
    card["weights"] = "my weights.onnx"
    (bundle.directory / "card.json").write_text(json.dumps(card))
    from kit.bundle import open_bundle

    with pytest.raises(UsageError, match="not a path that a parcel may hold"):
        packed(tmp_path, bundle=open_bundle(bundle.directory))
    with pytest.raises(BundleError):
        packed(tmp_path, bundle=open_bundle(tmp_path))


def test_it_can_be_checked_without_the_kit(
    signed: Path, keys: tuple[Path, Path], tmp_path: Path
) -> None:
    """By tar, sha256sum and openssl, as README.txt in it says."""
    for tool in ("tar", "sha256sum", "openssl", "sed", "base64"):
        if shutil.which(tool) is None:
            pytest.skip(f"there is no {tool} on this machine")
    subprocess.run(["tar", "-xf", signed], cwd=tmp_path, check=True)
    folder = tmp_path / FOLDER
    shutil.copy(keys[1], tmp_path / "public.pem")
    lines = [line.strip() for line in (folder / README).read_text().splitlines()]
    check, read, verify = (
        next(line for line in lines if line.startswith(word))
        for word in ("sha256sum", "sed", "openssl")
    )
    verify = verify.replace("public.pem", "../public.pem")

    def typed(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False
        )

    for command in (check, read, verify):
        told = typed(command)
        assert told.returncode == 0, told.stderr
    assert typed(check).stdout == ""
    unpack(signed, tmp_path / "ours")
    assert len(list(folder.rglob("*"))) == len(list((tmp_path / "ours").rglob("*")))
    (folder / "bundle" / "w.onnx").write_bytes(b"Weights")
    assert typed(check).returncode != 0
    digest = subprocess.check_output(["sha256sum", "bundle/w.onnx"], cwd=folder, text=True)
    sums = (folder / SUMS).read_text().splitlines()
    sums = [digest.strip() if line.endswith("bundle/w.onnx") else line for line in sums]
    (folder / SUMS).write_text("\n".join(sums) + "\n")
    assert typed(check).returncode == 0  # whoever changes a file can change its sum,
    assert typed(verify).returncode != 0  # and not the signature
