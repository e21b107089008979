"""TLS by file: real certificates, a client that verifies them, and files that cannot be used."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml
from tests.certificates import Certificate, encrypt, issue, needs_openssl
from tests.messages import Said
from tests.unit.gateway.service_process import EMBEDDED, Think, running
from tests.unit.gateway.session import Prepared, hand_over
from tests.unit.shared.processes import until

from so8t_gateway.health import is_ready
from so8t_gateway.tls import tls_of
from so8t_shared.config.think import Think as Section
from so8t_shared.errors import ConfigError

pytestmark = needs_openssl


def _section(made: Certificate) -> dict[str, str]:
    return {"tls_cert": str(made.cert), "tls_key": str(made.key)}


def _served(folder: Path) -> tuple[Certificate, Certificate]:
    """An authority, and a certificate in a chain below it."""
    root = issue(folder, "root", authority=True)
    between = issue(folder, "between", root, authority=True)
    leaf = issue(folder, "leaf", between)
    leaf.cert.write_text(leaf.cert.read_text() + between.cert.read_text())
    return root, leaf


def _ask(think: Think, root: Certificate) -> httpx.Response:
    trusting = ssl.create_default_context(cafile=str(root.cert))
    body = {"query": "open the door"}
    return httpx.post(f"{think.address}/think", json=body, timeout=60, verify=trusting)


def test_a_client_that_verifies(guard: Path, tmp_path: Path) -> None:
    """It is answered over the chain in the file; one that does not know the authority, or no TLS, refuses.

    A renewed certificate is taken after SIGHUP; one that cannot be used leaves the old one in its place.
    """
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard)
    root, leaf = _served(tmp_path / "first")
    other_root, renewed = _served(tmp_path / "second")
    with running(tested, **_section(leaf)) as think:
        assert think.address.startswith("https://127.0.0.1:")
        assert _ask(think, root).json()["safety_label"] == "ALLOW"
        assert is_ready(int(think.address.rpartition(":")[2]))
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            _ask(think, other_root)
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(think.address.replace("https:", "http:") + "/health")
        shutil.copy(renewed.cert, leaf.cert)  # its key is not there yet
        think.process.send_signal(signal.SIGHUP)
        until(lambda: "renewed certificate is not used" in think.log, "a refused certificate")
        assert _ask(think, root).status_code == 200
        shutil.copy(renewed.key, leaf.key)
        think.process.send_signal(signal.SIGHUP)
        until(lambda: _accepts(think, other_root), "the renewed certificate")
        assert "PRIVATE KEY" not in think.everything()
        assert think.stop() == 0


def _accepts(think: Think, root: Certificate) -> bool:
    try:
        return _ask(think, root).status_code == 200
    except httpx.ConnectError:
        return False


def _unusable(folder: Path) -> dict[str, tuple[Certificate, str]]:
    """Files that cannot be used, and the key of the configuration that names the wrong one."""
    good, other = issue(folder, "good"), issue(folder, "other")
    junk = folder / "junk.pem"
    junk.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n")
    absent = folder / "absent.pem"
    return {
        "expired": (issue(folder, "expired", days=-1), "tls_cert"),
        "no certificate": (Certificate(absent, good.key), "tls_cert"),
        "no key": (Certificate(good.cert, absent), "tls_key"),
        "a folder": (Certificate(folder, good.key), "tls_cert"),
        "another's key": (Certificate(good.cert, other.key), "tls_key"),
        "behind a passphrase": (Certificate(good.cert, encrypt(good.key, folder / "locked.key")), "tls_key"),
        "damaged": (Certificate(junk, good.key), "tls_cert"),
        "no key but a certificate": (Certificate(good.cert, good.cert), "tls_key"),
    }


def test_files_that_cannot_be_used(tmp_path: Path, said: Said) -> None:
    """Each has its message, with the key of the configuration and the path."""
    for made, key in _unusable(tmp_path).values():
        section = Section(**_section(made))
        with said.raised(ConfigError, where=f"think.{key} = {getattr(section, key)}") as raised:
            tls_of(section)
        assert raised.value.exit_code == 2
    assert tls_of(Section()) is None


@pytest.mark.parametrize("case", ["expired", "no key", "another's key"])
def test_the_command_ends(case: str, tmp_path: Path) -> None:
    """With exit code 2 and one message, before it has a session, an audit log or a port."""
    made, key = _unusable(tmp_path / "certificates")[case]
    audit = {"folder": str(tmp_path / "audit"), "key_file": str(tmp_path / "audit.key")}
    tested = Prepared(tmp_path, {**EMBEDDED, "think": {"port": 0, "audit": audit, **_section(made)}})
    file = tmp_path / "think.yaml"
    file.write_text(yaml.safe_dump(tested.config.model_dump(mode="json", exclude_unset=True)))
    command = [sys.executable, "-m", "so8t_shared.cli", "think", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("think.tls_") >= 1
    assert f"think.{key} = " in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "audit").exists()
