"""What can't be served is explained in words, with the command that mends it."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

REPOSITORY = Path(__file__).parents[3]


def refused(folder: Path, *words: str | Path, code: int = 2) -> str:
    """What ``kit serve`` says when it doesn't start."""
    command = [sys.executable, "-m", "kit.cli.root", "serve", *map(str, words)]
    told = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert told.returncode == code, told.stderr
    assert "Traceback" not in told.stderr
    assert "serving on" not in told.stderr
    assert not told.stdout
    return told.stderr


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def test_none_at_all(tmp_path: Path) -> None:
    told = refused(tmp_path)
    assert "no bundle was named" in told
    assert "make quickstart" in told


def test_missing(tmp_path: Path) -> None:
    assert "nonesuch" in refused(tmp_path, "nonesuch")


def test_damaged(tmp_path: Path, copy: Path) -> None:
    model = copy / "model.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"?")
    assert "model.onnx" in refused(tmp_path, copy)


def test_no_card(tmp_path: Path, copy: Path) -> None:
    (copy / "card.json").write_text("{")
    assert "card.json" in refused(tmp_path, copy)


def test_a_checkpoint(tmp_path: Path) -> None:
    from kit.bundle import BundleCard, save_bundle
    from kit.cards import Input

    card = BundleCard(
        name="a run",
        kind="checkpoint",
        family="torchvision",
        model="any",
        architecture="any",
        licence="Apache-2.0",
        classes=("cell",),
        input=Input(size=64, fit="stretch"),
        suppress=None,
        weights="model.safetensors",
        files={},
    )
    save_bundle(tmp_path / "best", card, {"model.safetensors": b"weights"})
    told = refused(tmp_path, "best")
    assert "a checkpoint" in told
    assert "kit export best --precision fp32 --out best-onnx" in told


def test_what_can_not_run(tmp_path: Path, bundle: Path) -> None:
    """It loads, but its graph is for pictures of another size than its card says."""
    from doubles.graph import whole_picture_graph

    from kit.bundle import open_bundle, save_bundle

    card = open_bundle(bundle).card
    save_bundle(tmp_path / "odd", card, {"model.onnx": whole_picture_graph(96)})
    assert "odd" in refused(tmp_path, "odd")


def test_twice_the_same(tmp_path: Path, bundle: Path) -> None:
    assert "named twice" in refused(tmp_path, bundle, bundle)


def test_not_signed_by_whom_we_trust(tmp_path: Path, bundle: Path) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.generate().public_key()
    pem = public.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "public.pem").write_bytes(pem)
    assert "sign" in refused(tmp_path, bundle, "--key", "public.pem")


def test_a_port_in_use(tmp_path: Path, bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told = refused(tmp_path, bundle, "--port", port)
    assert f"127.0.0.1:{port}: can't be listened on" in told
    assert "--port" in told


@pytest.mark.parametrize("host", ["no such host", "host.invalid", "203.0.113.9"])
def test_no_such_host(tmp_path: Path, bundle: Path, host: str) -> None:
    told = refused(tmp_path, bundle, "--host", host)
    assert host in told


def test_a_password_in_clear(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "users").touch()
    told = refused(tmp_path, bundle, "--host", "0.0.0.0", "--auth-file", "users")
    assert "passwords would cross the network" in told
    assert "--certfile" in told
    assert "--insecure" in told


@pytest.mark.parametrize(
    ("text", "message"), [("", "names no user"), ("anna:secret", "users, line 1: not a user")]
)
def test_a_damaged_list_of_users(tmp_path: Path, bundle: Path, text: str, message: str) -> None:
    (tmp_path / "users").write_text(text)
    told = refused(tmp_path, bundle, "--auth-file", "users")
    assert message in told
    assert "kit passwd users USER" in told
    assert "secret" not in told


def test_a_certificate_that_could_not_serve(tmp_path: Path, bundle: Path) -> None:
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from doubles.certificate import make_certificate

    pair = ("--certfile", "cert.pem", "--keyfile", "key.pem")
    assert "there is no such file" in refused(tmp_path, bundle, *pair)
    assert "--certfile without --keyfile" in refused(tmp_path, bundle, *pair[:2])
    make_certificate(tmp_path, password=b"secret")
    assert "the key is encrypted" in refused(tmp_path, bundle, *pair)
