"""A real Kubernetes API server with its Job controller, without nodes: the test is the kubelet.

SO8T_TEST_KUBERNETES names a folder with etcd, kube-apiserver and kube-controller-manager. The latter two build with Go:
a module that requires k8s.io/kubernetes and replaces each of its staging modules by the published one.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

VARIABLE = "SO8T_TEST_KUBERNETES"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
_TOKEN = "a-token-of-this-test"
_START_S = 120.0


def missing() -> str:
    """Why there is none here; empty if there is."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return f"{VARIABLE} names no folder"
    lacking = [name for name in PROGRAMS if not Path(folder, name).is_file()]
    return f"{folder} lacks {', '.join(lacking)}" if lacking else ""


@dataclass(frozen=True)
class ApiServer:
    """A running server."""

    kube_config: Path
    folder: Path

    def client(self) -> Any:
        """Of Kubernetes' own package."""
        from kubernetes import client, config

        config.load_kube_config(str(self.kube_config))
        return client


@contextmanager
def running(folder: Path) -> Iterator[ApiServer]:
    """Start all three; end them afterward."""
    programs = Path(os.environ[VARIABLE])
    etcd, peer, port = _free_port(), _free_port(), _free_port()
    _keys(folder)
    with ExitStack() as stack:
        stack.enter_context(_process(folder, _etcd(programs, folder, etcd, peer)))
        stack.enter_context(_process(folder, _server(programs, folder, etcd, port)))
        server = ApiServer(_kube_config(folder, port), folder)
        _wait_for(server)
        stack.enter_context(_process(folder, _controllers(programs, folder, server)))
        yield server


def _etcd(programs: Path, folder: Path, port: int, peer: int) -> list[str]:
    client, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        *(str(programs / "etcd"), "--data-dir", str(folder / "etcd"), "--unsafe-no-fsync"),
        *("--listen-client-urls", client, "--advertise-client-urls", client),
        *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"),
    ]


def _server(programs: Path, folder: Path, etcd: int, port: int) -> list[str]:
    return [
        *(str(programs / "kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{etcd}", f"--secure-port={port}"),
        *(
            "--bind-address=127.0.0.1",
            f"--cert-dir={folder / 'certificates'}",
            "--service-cluster-ip-range=10.0.0.0/24",
        ),
        *(f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=AlwaysAllow"),
        *("--service-account-issuer=https://tests", f"--service-account-key-file={folder / 'public.pem'}"),
        f"--service-account-signing-key-file={folder / 'private.pem'}",
        "--disable-admission-plugins=ServiceAccount",
    ]


def _controllers(programs: Path, folder: Path, server: ApiServer) -> list[str]:
    return [
        *(str(programs / "kube-controller-manager"), f"--kubeconfig={server.kube_config}"),
        *("--controllers=job-controller,garbage-collector-controller", "--leader-elect=false", "--secure-port=0"),
        f"--service-account-private-key-file={folder / 'private.pem'}",
    ]


def _keys(folder: Path) -> None:
    private, public = folder / "private.pem", folder / "public.pem"
    for command in (
        ["openssl", "genrsa", "-out", str(private), "2048"],
        ["openssl", "rsa", "-in", str(private), "-pubout", "-out", str(public)],
    ):
        subprocess.run(command, check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{_TOKEN},tester,1,system:masters\n")


def _kube_config(folder: Path, port: int) -> Path:
    cluster = {"server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "tester", "user": {"token": _TOKEN}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tester"}}],
        "current-context": "tests",
    }
    path = folder / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def _wait_for(server: ApiServer) -> None:
    client, deadline = server.client(), time.monotonic() + _START_S
    while True:
        try:
            client.CoreV1Api().create_namespace({"metadata": {"name": "so8t-ab"}})
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
        else:
            return


@contextmanager
def _process(folder: Path, command: list[str]) -> Iterator[None]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
