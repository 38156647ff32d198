"""Certificates for a moment."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

_KEYS = {
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


def make_certificate(
    folder: Path,
    *,
    kind: str = "ec",
    times: tuple[dt.datetime, dt.datetime] | None = None,
    password: bytes | None = None,
    authority: bool | None = None,
) -> tuple[Path, Path]:
    """``cert.pem``, signed by itself for 127.0.0.1, and ``key.pem``.

    Args:
        authority: what it says of being one; None says nothing.
    """
    key = _KEYS[kind]()
    now = dt.datetime.now(dt.timezone.utc)
    begins, ends = times or (now - dt.timedelta(hours=1), now + dt.timedelta(days=1))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ward.example")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
    )
    if authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(authority, None), critical=True)
    signed = builder.sign(key, None if kind == "ed25519" else hashes.SHA256())
    locked = form.BestAvailableEncryption(password) if password else form.NoEncryption()
    folder.mkdir(parents=True, exist_ok=True)
    cert_path, key_path = folder / "cert.pem", folder / "key.pem"
    cert_path.write_bytes(signed.public_bytes(form.Encoding.PEM))
    pem = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, locked)
    key_path.write_bytes(pem)
    return cert_path, key_path
