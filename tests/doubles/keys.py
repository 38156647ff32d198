"""Keys to sign with, and to check with."""

from __future__ import annotations

from pathlib import Path

import pytest


def make_keys(folder: Path, name: str = "our") -> tuple[Path, Path]:
    """A new Ed25519 key's private and public half, as PEM files."""
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization")
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    key, pem = ed25519.Ed25519PrivateKey.generate(), serialization.Encoding.PEM
    private, public = folder / f"{name}-private.pem", folder / f"{name}-public.pem"
    form, no_password = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(pem, form, no_password))
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(pem, form))
    return private, public
