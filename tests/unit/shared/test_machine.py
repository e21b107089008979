"""What `doctor` finds, with programs that are really there, silent or missing."""

from __future__ import annotations

import http.server
import threading
from pathlib import Path

import pytest

from so8t_shared.machine import Finding, examine


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SO8T__OLLAMA__HOST", "http://127.0.0.1:9")  # one may run at the usual address
    return folder


def _program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def _found(part: str, folder: str = ".") -> Finding:
    return next(finding for finding in examine(folder) if finding.part == part)


def test_every_part_is_named() -> None:
    """Each part of the contract is looked at once, and each that is not there says what it takes."""
    findings = examine(".")
    parts = [finding.part for finding in findings]
    expected = {
        "python",
        "demo",
        "torch",
        "gpu",
        "memory",
        "disk",
        "docker",
        "minio",
        "ollama",
        "processor",
        "xllamacpp",
    }
    extras = {"convert", "train", "evaluate", "report", "notify", "gateway", "ui", "ray", "k8s"}
    assert expected | extras == set(parts) - {"docker gpu"}
    assert len(parts) == len(set(parts))
    assert [f.part for f in findings if f.state != "ok" and not f.remedy] == []
    assert {f.state for f in findings if f.part in {"python", "demo", "torch", "convert", "train"}} == {"ok"}


def test_missing_programs_are_optional(programs: Path) -> None:
    """Without Docker, MinIO, Ollama and a GPU the demo still runs."""
    for part in ("docker", "minio", "ollama", "gpu"):
        finding = _found(part)
        assert finding.state == "missing"
        assert finding.remedy


def test_programs_that_answer(programs: Path) -> None:
    """The first line of what a program says is shown."""
    _program(programs, "docker", "echo 28.1; echo more")
    _program(programs, "nvidia-smi", "echo 'NVIDIA L4, 23034 MiB'")
    assert (_found("docker").state, _found("docker").found) == ("ok", "28.1")
    assert _found("gpu") == Finding("gpu", "ok", "NVIDIA L4, 23034 MiB")


@pytest.mark.parametrize(
    ("runtimes", "state"),
    [('{"runc":{}}', "missing"), ('{"nvidia":{"path":"nvidia-container-runtime"},"runc":{}}', "ok")],
)
def test_docker_without_a_gpu_is_said_beforehand(programs: Path, runtimes: str, state: str) -> None:
    """Docker itself says so only when the first container starts; the remedy names the file that helps."""
    _program(programs, "docker", f"echo '{{\"Runtimes\":{runtimes}}}'")
    assert _found("docker gpu").state == state
    assert state == "ok" or "compose.cpu.yaml" in _found("docker gpu").remedy


@pytest.mark.parametrize(
    ("answer", "state"), [(b'{"version": "0.24.0"}', "ok"), (b"<html>", "missing"), (b"[]", "missing")]
)
def test_ollama_is_a_server(monkeypatch: pytest.MonkeyPatch, answer: bytes, state: str) -> None:
    """What answers at the configured address counts, not whether its program lies on this host."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("SO8T__OLLAMA__HOST", address)
        finding = _found("ollama")
        server.shutdown()
    assert finding.state == state
    assert address in (finding.found + finding.remedy)


@pytest.mark.parametrize("script", ["exit 1", "echo broken; exit 3", "true"])
def test_programs_that_do_not_answer(programs: Path, script: str) -> None:
    """Installed and not working is said apart from not installed."""
    _program(programs, "docker", script)
    assert _found("docker").state == "missing"
    assert _found("docker").found == "installed, does not answer"


def test_the_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    """The free space is that of the disk on which the folder would be made."""
    assert "GB free" in _found("disk", str(tmp_path / "not" / "yet")).found
