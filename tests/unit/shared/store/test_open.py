"""Opening the store that a configuration names."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.certificates import issue, needs_openssl
from tests.messages import Said
from tests.servers.minio_server import MinioServer
from tests.servers.s3_server import Keys
from tests.unit.shared.processes import until
from tests.unit.shared.store.buckets import bucket_config

from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, Interrupted, ServerError, So8tError, StorageError
from so8t_shared.interruption import StopSignal
from so8t_shared.store.open import open_store


def _config(folder: Path) -> Config:
    return Config.model_validate(
        {"checkpoint_dir": str(folder), "model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}}
    )


def test_opens_checkpoint_dir(tmp_path: Path) -> None:
    """The store is the folder checkpoint_dir, made with its parents where it is missing."""
    store = open_store(_config(tmp_path / "new" / "store"))
    store.put_bytes("k", b"x")
    assert (tmp_path / "new" / "store" / "k").read_bytes() == b"x"


def test_unusable_folder_is_named(tmp_path: Path) -> None:
    """A file where a folder is needed is a StorageError with the path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError) as caught:
        open_store(_config(tmp_path / "file" / "store"))
    assert str(tmp_path / "file") in caught.value.where


def test_opens_the_bucket(minio: MinioServer, tmp_path: Path) -> None:
    """With store.endpoint the bucket is the store, and checkpoint_dir keeps only what is this host's."""
    bucket = minio.new_bucket()
    store = open_store(bucket_config(minio, bucket, tmp_path))
    store.put_bytes("sessions/x", b"x")
    assert store.location == f"{minio.endpoint}/{bucket}"
    assert store.local_root == tmp_path / "work" / ".local"
    assert minio.client().get_object(bucket, "sessions/x").data == b"x"
    assert [p.name for p in (tmp_path / "work").iterdir()] == [".local"]


def test_the_first_contact(tmp_path: Path, said: Said) -> None:
    """A server that comes late is missed by the hasty and met by the patient."""
    server = MinioServer(tmp_path / "minio")
    server.start()
    try:
        bucket = server.new_bucket()
        server.kill()
        config = bucket_config(server, bucket, tmp_path, retry_s=120.0)
        with said.raised(ServerError, where=f"{server.endpoint}/{bucket}: write sessions/by-config/probe.json"):
            open_store(config, first_contact_s=0.2)
        later = threading.Timer(1.0, lambda: server.start(wait=False))
        later.start()
        store = open_store(config, first_contact_s=120.0)
        later.join()
        store.put_bytes("sessions/x", b"x")
    finally:
        server.kill()


def test_the_first_contact_can_be_ended(tmp_path: Path) -> None:
    """Whoever is asked to stop does not go on waiting for a server that is away."""
    server = MinioServer(tmp_path / "minio")
    stop = StopSignal()
    stop.ask()
    with pytest.raises(Interrupted):
        open_store(bucket_config(server, "b-1", tmp_path, retry_s=300.0), first_contact_s=300.0, check=stop.check)


def _refusal(config: Config) -> So8tError:
    with pytest.raises(So8tError) as caught:
        open_store(config)
    assert caught.value.what
    assert caught.value.where
    assert caught.value.remedy
    return caught.value


def test_wrong_keys(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """An unknown access key and a wrong secret are refused at once, and the message shows neither."""
    for keys in (Keys("nobody", "wrong-secret-1234"), Keys(minio.root.access_key, "wrong-secret-1234")):
        path = keys.write(tmp_path / "keys.json")
        error = _refusal(bucket_config(minio, minio.new_bucket(), tmp_path, credentials_file=str(path)))
        said(error)
        assert error.exit_code == 4
        assert "wrong-secret" not in str(error)


def test_missing_bucket(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """A bucket that is not there is named; it is not made in silence."""
    error = _refusal(bucket_config(minio, "no-such-bucket", tmp_path))
    said(error)
    assert not minio.client().bucket_exists("no-such-bucket")


def test_nobody_listens(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """An address where nothing answers is named, with what to do, once the patience is over."""
    error = _refusal(bucket_config(minio, "b-1", tmp_path, endpoint="http://127.0.0.1:9", retry_s=1.0))
    said(error)
    assert error.exit_code == 4


def test_an_unknown_name(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """An unknown host name is reported as one."""
    error = _refusal(bucket_config(minio, "b-1", tmp_path, endpoint="http://no-such-host.invalid:9000", retry_s=0.5))
    said(error)


@pytest.mark.parametrize(
    "content",
    [None, "", "key:secret", '["a"]', '{"accessKey": "only-this"}', '{"accessKey": "", "secretKey": "hidden"}'],
    ids=["missing", "empty", "a pair", "a list", "one key", "an empty key"],
)
def test_unusable_key_file(minio: MinioServer, tmp_path: Path, content: str | None, said: Said) -> None:
    """A missing or wrong key file is a ConfigError that shows its path and nothing of its content."""
    path = tmp_path / "keys.json"
    if content is not None:
        path.write_text(content)
    error = _refusal(bucket_config(minio, "b-1", tmp_path, credentials_file=str(path)))
    assert isinstance(error, ConfigError)
    said(error)
    assert error.where == f"store.credentials_file = {path}"
    assert "hidden" not in str(error)
    assert "only-this" not in str(error)


def test_no_key_file_named(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """A bucket without keys is a ConfigError that names the key and the variable."""
    error = _refusal(bucket_config(minio, "b-1", tmp_path, credentials_file=None))
    assert error.where == "store.credentials_file"
    said(error)


def test_whoever_may_only_look_can_look(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """Keys that may read but not write open the store; writing is then refused with a remedy."""
    bucket = minio.new_bucket()
    minio.client().put_object(bucket, "sessions/x", io.BytesIO(b"x"), 1)
    keys = minio.new_user(
        bucket, [{"Effect": "Allow", "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["arn:aws:s3:::*"]}]
    )
    path = keys.write(tmp_path / "keys.json")
    store = open_store(bucket_config(minio, bucket, tmp_path, credentials_file=str(path)))
    assert store.get_bytes("sessions/x") == b"x"
    calls = {"write": lambda: store.put_bytes("sessions/x", b"y"), "delete": lambda: store.delete("sessions/x")}
    for doing, call in calls.items():
        with said.raised(ServerError, where=f"{store.location}: {doing} sessions/x"):
            call()
    assert store.get_bytes("sessions/x") == b"x"


class _Careless(http.server.BaseHTTPRequestHandler):
    """A server that takes every write and ignores every condition, as old S3 servers do."""

    protocol_version = "HTTP/1.1"
    page = b""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("ETag", '"0123"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Website(_Careless):
    """What answers on the port of a console or a web page."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(404)
        self.send_header("Content-Length", "13")
        self.end_headers()
        self.wfile.write(b"<html><p>nope")


@pytest.fixture
def other_server(request: pytest.FixtureRequest) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("other_server", [_Careless], indirect=True)
def test_a_server_without_conditional_writes(tmp_path: Path, other_server: str, said: Said) -> None:
    """A server that ignores the conditions is refused at once, and both headers are named."""
    error = _refusal(_elsewhere(tmp_path, other_server))
    said(error)
    assert error.exit_code == 4


@pytest.mark.parametrize("other_server", [_Website], indirect=True)
def test_something_else_answers(tmp_path: Path, other_server: str, said: Said) -> None:
    """A web server at store.endpoint is recognized, with a hint at MinIO's two ports."""
    error = _refusal(_elsewhere(tmp_path, other_server))
    said(error)


def _elsewhere(folder: Path, endpoint: str) -> Config:
    (folder / "keys.json").write_text(json.dumps({"accessKey": "a", "secretKey": "b"}))
    section = {"endpoint": endpoint, "bucket": "b-1", "credentials_file": str(folder / "keys.json"), "retry_s": 1.0}
    return Config.model_validate(
        {"checkpoint_dir": str(folder), "model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}, "store": section}
    )


@needs_openssl
def test_tls(tmp_path: Path, said: Said) -> None:
    """A certificate that nobody vouches for is refused at once; SSL_CERT_FILE makes it known."""
    certificates = tmp_path / "certificates"
    made = issue(certificates, "test")
    made.key.rename(certificates / "private.key")
    public = made.cert.rename(certificates / "public.crt")
    server = MinioServer(tmp_path / "minio")
    server.certificates = certificates
    server.start(wait=False)
    try:
        until(lambda: _answers(server.port), "the server")
        config = bucket_config(server, "b-1", tmp_path, endpoint=f"https://127.0.0.1:{server.port}")
        error = _refusal(config)
        said(error)
        program = f"""
from so8t_shared.config.model import Config
from so8t_shared.errors import ServerError
from so8t_shared.interruption import StopSignal
from so8t_shared.store.open import open_store
try:
    open_store(Config.model_validate_json({config.model_dump_json()!r}))
except ServerError as error:
    print(error.what)
"""
        environment = {**os.environ, "SSL_CERT_FILE": str(public)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        said(done.stdout)
    finally:
        server.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
