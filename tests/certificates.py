"""Real certificates, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost\n"
_AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n"

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="CANNOT BE TESTED HERE: openssl is not installed"
)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its private key, both as PEM."""

    cert: Path
    key: Path


def issue(
    folder: Path, name: str, issuer: Certificate | None = None, *, authority: bool = False, days: int = 2
) -> Certificate:
    """A certificate for this host, or of an authority, that ends in so many days; without an issuer it is self-signed.

    -1 day is the least, and has passed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
    extensions.write_text(_AUTHORITY if authority else _NAMES)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    _openssl("req", "-new", *curve, "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
    signer = ["-signkey", made.key] if issuer is None else ["-CA", issuer.cert, "-CAkey", issuer.key, "-CAcreateserial"]
    limits = ["-days", days, "-extfile", extensions]
    _openssl("x509", "-req", "-in", request, *signer, *limits, "-out", made.cert)
    return made


def encrypt(key: Path, target: Path) -> Path:
    """The same private key, behind a passphrase."""
    _openssl("pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", target)
    return target


def _openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
