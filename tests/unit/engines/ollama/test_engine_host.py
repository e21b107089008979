"""The machine that the Ollama engine names beside its measurements."""

from __future__ import annotations

import pytest

from so8t_engines.ollama.engine import OllamaEngine
from so8t_engines.ollama.server import OllamaServer
from so8t_shared.host import host_name


def _host(address: str, name: str | None = None) -> str:
    return OllamaEngine(OllamaServer(address, retry_s=0), num_ctx=512, host_name=name).host


@pytest.mark.parametrize("address", ["http://127.0.0.1:11434", "http://localhost:11434", "http://[::1]:11434"])
def test_host_is_this_one(address: str) -> None:
    """For a loopback address, the machine that asks."""
    assert _host(address) == host_name()
    assert _host(address, "workstation") == "workstation"


def test_host_is_named_by_its_address() -> None:
    """For a name that means the same machine everywhere, that name."""
    assert _host("http://gpu.example.org:11434") == "gpu.example.org"
    assert _host("http://gpu.example.org:11434", "gpu-2") == "gpu-2"


@pytest.mark.parametrize("name", ["ollama", "host.docker.internal", "172.17.0.1", "[fd00::7]"])
def test_two_machines_do_not_look_like_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A name of a container network is the same on every workstation; with the asking host it is not."""
    seen = set()
    for asking in ("workstation-1", "workstation-2"):
        monkeypatch.setenv("SO8T_HOST_NAME", asking)
        seen |= {_host(f"http://{name}:11434"), _host(f"http://{name}:11434", asking)}
    bare = name.strip("[]")
    asked = {f"{bare} (asked from workstation-1)", f"{bare} (asked from workstation-2)"}
    assert seen == {"workstation-1", "workstation-2", *asked}
