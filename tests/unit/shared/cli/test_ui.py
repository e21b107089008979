"""`so8t-ab ui` as a process."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_until_it_is_stopped(config_file: Path, number: signal.Signals) -> None:
    """It says where it is, serves the store's sessions, and ends with 0 even while someone watches."""
    command = [sys.executable, "-m", "so8t_shared.cli", "ui", "-c", str(config_file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[-1]
        assert httpx.get(url, timeout=20).status_code == 200
        with httpx.stream("GET", f"{url}/live/", timeout=20) as stream:
            assert next(stream.iter_lines()).startswith("event:")
            process.send_signal(number)
            assert process.wait(timeout=20) == 0


def test_where_others_can_connect(cli: Cli, config_file: Path, said: Said) -> None:
    """Exit code 2 without a token on an address that others reach."""
    done = cli("ui", "-c", config_file, "--host", "0.0.0.0")
    assert done.code == 2
    said(done.err)


def test_a_port_in_use(cli: Cli, config_file: Path) -> None:
    """Exit code 4, naming the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("ui", "-c", config_file, "--port", port)
    assert done.code == 4
    assert f"127.0.0.1:{port}" in done.err
