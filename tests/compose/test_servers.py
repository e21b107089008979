"""MinIO and Ollama run as nobody, within limits, on volumes of any age."""

from __future__ import annotations

import pytest
from tests.compose.engine import docker
from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(1800)

DATA = {"minio": "/data", "ollama": "/home/so8t/.ollama"}


def test_volumes_of_an_earlier_version(stack: Stack) -> None:
    """What root wrote into them, and into folders closed to others, belongs to the servers' user now."""
    for name in DATA:
        labels = {"project": stack.project, "volume": name}
        options = [part for key, value in labels.items() for part in ("--label", f"com.docker.compose.{key}={value}")]
        docker("volume", "create", *options, f"{stack.project}_{name}")
        mount = ["--volume", f"{stack.project}_{name}:/volume", "--entrypoint", "/bin/sh"]
        docker(
            "run",
            "--rm",
            *mount,
            "python:3.11-slim-bookworm",
            "-c",
            "umask 077; mkdir /volume/old; echo x > /volume/old/x",
        )
    stack.compose("--profile", "serve", "up", "--detach", "--wait")
    for name, folder in DATA.items():
        assert stack.state(f"{name}-owner") == ("exited", 0)
        told = docker(
            "exec", stack.container(name), "sh", "-c", f"id -u; cat {folder}/old/x; ulimit -c; cat /proc/1/status"
        )
        user, old, core, *status = told.stdout.splitlines()
        assert (user != "0", old, core) == (True, "x", "0"), name
        assert "CapEff:\t0000000000000000" in status
        assert stack.inspect(name)["HostConfig"]["Memory"] > 0
