"""Signs bundles with Ed25519, and verifies the signatures.

The signature is a DSSE envelope (github.com/secure-systems-lab/dsse, version 1.0.2) around an in-toto statement
(in-toto.io/Statement/v1) with a test-result predicate, version 0.1: these GGUF files passed the gate or did not, on the
evidence in this bundle.json. Tools for supply chains read it. An Ed25519 signature has no random part (RFC 8032), so a
bundle that is written again has the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from so8t_shared.canonical import canonical_json
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.files import OWNER_ONLY, write_together
from so8t_shared.foreign import UnparsableError, parse_json

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MOST_BYTES = 64 << 10
"""Of a key file."""


def make_key(path: Path) -> str:
    """Write a private key, for its owner only, and beside it PATH.pub; return the key's id.

    Raises:
        InputError: one of the files exists.
        StorageError: the folder cannot be written.
    """
    public_path = path.with_name(f"{path.name}.pub")
    if taken := next((each for each in (path, public_path) if each.exists()), None):
        raise InputError(
            "The file exists, and a key that was overwritten is lost.",
            where=str(taken),
            remedy="name another file, or move this one",
        )
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_together({path: private}, OWNER_ONLY)
    write_together({public_path: public_pem(key.public_key())})
    return key_id(key.public_key())


def read_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a key that `make_key` or OpenSSL wrote, in PEM form and without a password.

    Raises:
        InputError: it is missing, or no such key.
    """
    data = _read(path)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _no_key(path, "private", "so8t-ab bundle key -o FILE makes one") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key(path, "private", "so8t-ab bundle key -o FILE makes one")
    return key


def read_public_key(path: Path) -> str:
    """Return the id of the public key in a PEM file.

    Raises:
        InputError: it is missing, or no such key.
    """
    key = _parsed(_read(path))
    if key is None:
        raise _no_key(path, "public", "use the FILE.pub that 'so8t-ab bundle key' wrote")
    return key_id(key)


def _parsed(pem: bytes) -> Ed25519PublicKey | None:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, Ed25519PublicKey) else None


def public_pem(key: Ed25519PublicKey) -> bytes:
    """The public key in PEM form."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: Ed25519PublicKey) -> str:
    """sha256 of the public key's DER form, in hex."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def sign(statement: bytes, key: Ed25519PrivateKey) -> tuple[bytes, bytes]:
    """Return the envelope around a statement, and the public key in PEM form."""
    signature = key.sign(_pre_authentication_encoding(statement))
    return _envelope(statement, signature, key.public_key()), public_pem(key.public_key())


def signer_of(statement: bytes, envelope: bytes, pem: bytes) -> str:
    """Return the id of the key if it signed exactly this statement, and neither file holds anything else.

    Raises:
        IntegrityError: says what is wrong.
    """
    key = _parsed(pem)
    if key is None or public_pem(key) != pem:
        raise _wrong("the public key is none, or not in its only PEM form")
    try:
        found = parse_json(envelope)
        payload, first = found["payload"], found["signatures"][0]
        signature = base64.b64decode(first["sig"], validate=True)
    except (UnparsableError, LookupError, TypeError, ValueError) as error:
        raise _wrong("it is no DSSE envelope") from error
    if payload != _text(statement):
        raise _wrong("what was signed is not what the bundle says")
    if first.get("keyid") != key_id(key):
        raise _wrong("it is by another key than the one beside it")
    try:
        key.verify(signature, _pre_authentication_encoding(statement))
    except InvalidSignature as error:
        raise _wrong("the signature is not by this key, or not of these contents") from error
    if _envelope(statement, signature, key) != envelope:
        raise _wrong("the envelope holds more than one signature of one statement")
    return key_id(key)


def _envelope(statement: bytes, signature: bytes, key: Ed25519PublicKey) -> bytes:
    return canonical_json(
        {
            "payloadType": PAYLOAD_TYPE,
            "payload": _text(statement),
            "signatures": [{"keyid": key_id(key), "sig": _text(signature)}],
        }
    )


def _pre_authentication_encoding(payload: bytes) -> bytes:
    return b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES)
    except OSError as error:
        raise InputError(
            f"The key cannot be read: {error.strerror}.", where=str(path), remedy="name a file that you can read"
        ) from error


def _wrong(what: str) -> IntegrityError:
    return IntegrityError(f"The signature is wrong: {what}.")


def _no_key(path: Path, kind: str, remedy: str) -> InputError:
    return InputError(f"This is no {kind} Ed25519 key in PEM form.", where=str(path), remedy=remedy)
