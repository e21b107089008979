"""Two hosts that share nothing but the server: network namespaces, one of which is cut off while it holds the lease."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers.minio_server import MinioServer
from tests.unit.shared.processes import until

ROOT = Path(__file__).resolve().parents[2]

HOST = """
import sys
from pathlib import Path
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.errors import So8tError
from so8t_shared.leases.lease import acquire
from so8t_shared.store.client import Client
from so8t_shared.store.credentials import read_credentials
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.retrying import Limits
from so8t_shared.store.s3 import Bucket
from so8t_shared.store.transfer import Parts

endpoint, bucket, keys, folder, letter, ttl_s, when = sys.argv[1:]
folder = Path(folder)

def say(word):
    (folder / word).touch()

def wait_for(word):
    import time
    while not (folder / word).exists():
        time.sleep(0.02)

client = Client(Bucket(endpoint, bucket, "us-east-1", read_credentials(keys)), Limits(60.0))
store = MinioStore(client, folder / ".local", parts=Parts(5 << 20, 2))
artifact = Artifact(store, "train", "f" * 64)
lease = acquire(store, artifact.lease_key, ttl_s=float(ttl_s), poll_s=0.2)
say("holds")
output = folder / "output"
output.mkdir()
for name in "abcdefgh":
    (output / name).write_bytes(letter.encode() * (6 << 20))
if when == "during":
    put_file, sent = MinioStore.put_file, []
    def counting(self, key, source, **options):
        sent.append(key)
        if len(sent) == 4:
            say("sending")
            wait_for("cut")
        return put_file(self, key, source, **options)
    MinioStore.put_file = counting
else:
    wait_for("commit")
try:
    Attempt.begin(artifact).commit(output, {"host": letter}, lease)
    print("committed")
except So8tError as error:
    print(type(error).__name__, error.exit_code)
finally:
    lease.stop()
"""

SETUP = """
import sys
from minio import Minio
host, port, user, password, bucket = sys.argv[1:]
Minio(f"{host}:{port}", user, password, secure=False, region="us-east-1").make_bucket(bucket)
"""


class Network:
    """Three namespaces: one with the server, two hosts each on a line of its own; nothing leads outside."""

    def __init__(self) -> None:
        self.name = f"so8t{secrets.token_hex(2)}"
        self.server = f"{self.name}s"
        self.hosts = [f"{self.name}{letter}" for letter in "ab"]

    def make(self) -> None:
        for space in (self.server, *self.hosts):
            _ip("netns", "add", space)
            _ip("-n", space, "link", "set", "lo", "up")
        for number, host in enumerate(self.hosts, 1):
            near, far = f"{host}0", f"{host}1"
            _ip("-n", host, "link", "add", near, "type", "veth", "peer", "name", far, "netns", self.server)
            _ip("-n", host, "addr", "add", f"10.77.{number}.2/24", "dev", near)
            _ip("-n", self.server, "addr", "add", f"10.77.{number}.1/24", "dev", far)
            _ip("-n", host, "link", "set", near, "up")
            _ip("-n", self.server, "link", "set", far, "up")

    def cut(self, number: int, *, off: bool) -> None:
        """Pull the plug of a host, or put it back."""
        _ip("-n", self.hosts[number], "link", "set", f"{self.hosts[number]}0", "down" if off else "up")

    def remove(self) -> None:
        for space in (self.server, *self.hosts):
            subprocess.run(["ip", "netns", "del", space], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=20)


@pytest.fixture
def network() -> Iterator[Network]:
    if shutil.which("ip") is None or os.getuid() != 0:
        pytest.skip("CANNOT BE TESTED HERE: network namespaces: 'ip' or the right to use it is missing")
    made = Network()
    try:
        made.make()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"CANNOT BE TESTED HERE: network namespaces: {error.stderr}")
    yield made
    made.remove()


@pytest.fixture
def server(network: Network, tmp_path: Path) -> Iterator[MinioServer]:
    """MinIO on a line that only the two hosts see."""
    made = MinioServer(tmp_path / "minio", host="0.0.0.0", prefix=["ip", "netns", "exec", network.server])
    made.start(wait=False)
    yield made
    made.kill()


def _python(space: str, program: str, *arguments: str) -> subprocess.Popen[str]:
    command = ["ip", "netns", "exec", space, sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )


def _printed(process: subprocess.Popen[str]) -> str:
    said, errors = process.communicate(timeout=90)
    assert process.returncode == 0, errors
    return said.strip()


@pytest.mark.parametrize("when", ["before", "during"])
def test_cut_off_while_it_holds_the_lease(network: Network, server: MinioServer, tmp_path: Path, when: str) -> None:
    """Host A is cut off, before or in the middle of its commit; B takes over and commits; A, back, commits nothing."""
    bucket = "two-hosts"
    until(lambda: _printed_or_none(network, server, bucket), "the server")
    folders = [tmp_path / letter for letter in "ab"]
    for folder in folders:
        folder.mkdir()

    def host(number: int, moment: str) -> subprocess.Popen[str]:
        endpoint = f"http://10.77.{number + 1}.1:{server.port}"
        keys, folder = str(server.root_file), str(folders[number])
        return _python(network.hosts[number], HOST, endpoint, bucket, keys, folder, "ab"[number], "4", moment)

    first = host(0, when)
    until(lambda: (folders[0] / ("holds" if when == "before" else "sending")).exists(), "A at work")
    network.cut(0, off=True)
    (folders[0] / "cut").touch()
    second = host(1, "before")
    (folders[1] / "commit").touch()
    assert _printed(second) == "committed"
    network.cut(0, off=False)
    (folders[0] / "commit").touch()
    assert _printed(first) == "LeaseLost 75"
    artifact = server.folder / "data" / bucket / "artifacts" / "train" / ("f" * 64)
    look = _python(
        network.server, LOOK, f"http://127.0.0.1:{server.port}", bucket, str(server.root_file), str(tmp_path)
    )
    assert json.loads(_printed(look)) == {"faults": [], "host": "b", "letters": ["b"]}
    assert artifact.is_dir()


LOOK = """
import json, sys
from pathlib import Path
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.store.client import Client
from so8t_shared.store.credentials import read_credentials
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.retrying import Limits
from so8t_shared.store.s3 import Bucket
endpoint, bucket, keys, folder = sys.argv[1:]
client = Client(Bucket(endpoint, bucket, "us-east-1", read_credentials(keys)), Limits(9.0))
store = MinioStore(client, Path(folder) / "l")
artifact = Artifact(store, "train", "f" * 64)
manifest = artifact.manifest()
got = artifact.materialize(manifest)
letters = sorted({(got / f.path).read_bytes()[:1].decode() for f in manifest.files})
print(json.dumps({"faults": artifact.faults(manifest), "host": manifest.key["host"], "letters": letters}))
"""


def _printed_or_none(network: Network, server: MinioServer, bucket: str) -> bool:
    keys = server.root
    made = _python(network.server, SETUP, "127.0.0.1", str(server.port), keys.access_key, keys.secret_key, bucket)
    made.communicate(timeout=60)
    time.sleep(0.1)
    return made.returncode == 0
