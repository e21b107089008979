"""Keys and signatures."""

from __future__ import annotations

import base64
import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.unit.bundled import Bundles
from tests.unit.shared.bundles.tampering import read_files

from so8t_shared.bundles import signing
from so8t_shared.errors import InputError, IntegrityError

STATEMENT = b'{"a":1}'


def test_a_key_pair(tmp_path: Path) -> None:
    """Only its owner reads the private key; the other file is for everybody; neither is ever overwritten."""
    path = tmp_path / "keys" / "release.key"
    key_id = signing.make_key(path)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, tmp_path / "keys/release.key.pub")] == [0o600, 0o644]
    assert signing.read_public_key(tmp_path / "keys/release.key.pub") == key_id
    assert signing.key_id(signing.read_private_key(path).public_key()) == key_id
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        signing.make_key(path)
    assert caught.value.where == str(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"", b"x", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None]
)
def test_no_key(tmp_path: Path, content: bytes | None) -> None:
    """A file that is missing or holds something else."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    for read in (signing.read_private_key, signing.read_public_key):
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.where == str(path)


def test_a_key_of_another_kind(tmp_path: Path) -> None:
    """A private key is no public one, and an elliptic curve of another kind is no Ed25519 key."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    signing.make_key(tmp_path / "key")
    with pytest.raises(InputError):
        signing.read_public_key(tmp_path / "key")
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "other").write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(InputError):
        signing.read_private_key(tmp_path / "other")


def test_a_signature(tmp_path: Path) -> None:
    """It is of one statement by one key, has no random part, and is in an envelope without anything else."""
    signing.make_key(tmp_path / "a")
    signing.make_key(tmp_path / "b")
    a, b = (signing.read_private_key(tmp_path / name) for name in "ab")
    envelope, pem = signing.sign(STATEMENT, a)
    assert (envelope, pem) == signing.sign(STATEMENT, a)
    assert signing.signer_of(STATEMENT, envelope, pem) == signing.read_public_key(tmp_path / "a.pub")
    parsed = json.loads(envelope)
    twice = {**parsed, "signatures": parsed["signatures"] * 2}
    wrong = [
        (b"{}", envelope, pem),
        (STATEMENT, envelope, signing.public_pem(b.public_key())),
        (STATEMENT, signing.sign(STATEMENT, b)[0], pem),
        (STATEMENT, signing.sign(b"{}", a)[0], pem),
        (STATEMENT, envelope + b" ", pem),
        (STATEMENT, envelope, pem + b"\n"),
        (STATEMENT, json.dumps(twice, sort_keys=True, separators=(",", ":")).encode(), pem),
        (STATEMENT, b"[]", pem),
        (STATEMENT, b'{"payload": 1, "signatures": 2}', pem),
        (STATEMENT, b"{" * 9_000, pem),
    ]
    for statement, other, key in wrong:
        with pytest.raises(IntegrityError):
            signing.signer_of(statement, other, key)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_verifies_it(bundles: Bundles, tmp_path: Path) -> None:
    """An independent implementation of Ed25519 accepts the signature of the DSSE encoding, and refuses another."""
    files = read_files(bundles.signed)
    envelope = json.loads(files["attestation.json"])
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    encoded = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    (tmp_path / "pem").write_bytes(files["public_key.pem"])
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "pem", "-rawin", "-in", "text", "-sigfile", "sig"]
    codes = []
    for text in (encoded, encoded + b" "):
        (tmp_path / "text").write_bytes(text)
        codes.append(subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False).returncode)
    assert codes[0] == 0 != codes[1]


def test_the_statement_is_about_the_models(bundles: Bundles) -> None:
    """An in-toto test result: the GGUF files of B are its subject, the gate its result."""
    files = read_files(bundles.signed)
    statement = json.loads(base64.b64decode(json.loads(files["attestation.json"])["payload"]))
    made = {file["file"]: file["sha256"] for file in json.loads(files["convert-b/conversion.json"])["files"]}
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert {each["name"]: each["digest"]["sha256"] for each in statement["subject"]} == made
    gate = json.loads(files["conclude/evaluation.json"])["gate"]
    assert statement["predicate"]["result"] == ("PASSED" if gate["result"] == "pass" else "FAILED")
    names = [name for kind in ("passed", "warned", "failed") for name in statement["predicate"][f"{kind}Tests"]]
    assert sorted(names) == sorted(clause["name"] for clause in gate["clauses"])
