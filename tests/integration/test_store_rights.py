"""The users that deploy/minio/init.sh makes: each stage can do its work, and nothing to anybody else's."""

from __future__ import annotations

import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.integration.buckets import MIB, Host
from tests.messages import Said
from tests.servers.minio_server import MinioServer
from tests.servers.needed import binary
from tests.servers.s3_server import Keys
from tests.unit.deploy.compose_files import STAGE_OF
from tests.unit.shared.material import make_config, run_stage, stage_run, write
from tests.unit.shared.store.buckets import bucket_store

from so8t_shared.errors import InputError, ServerError
from so8t_shared.running.context import StageContext
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.stages import Stage
from so8t_shared.store.failures import Failure
from so8t_shared.store.minio import MinioStore
from so8t_shared.store.open import open_store

INIT = Path(__file__).resolve().parents[2] / "deploy" / "minio" / "init.sh"
NAMES = [*STAGE_OF, "operator", "ui"]


class Users:
    """A bucket, its users, and their key files."""

    def __init__(self, server: MinioServer, folder: Path) -> None:
        self.server = server
        self.bucket = f"rights-{secrets.token_hex(4)}"
        self.folder = folder
        self.secrets = folder / "secrets"
        self.secrets.mkdir()
        (self.secrets / "minio_root_user").write_text(server.root.access_key)
        (self.secrets / "minio_root_password").write_text(server.root.secret_key)
        self.keys = {name: self.new_keys(name) for name in NAMES}

    def new_keys(self, name: str) -> Keys:
        """Other keys for a user, who keeps the name."""
        keys = Keys(f"{self.bucket}-{name}", secrets.token_hex(16))
        keys.write(self.file(name))
        return keys

    def file(self, name: str) -> Path:
        return self.secrets / f"{name}.json"

    def init(self) -> subprocess.CompletedProcess[str]:
        """Run the script as its container does: with mc and cat, and hardly anything else."""
        tools, scratch = self.folder / "bin", self.folder / "tmp"
        for folder in (tools, scratch):
            folder.mkdir(exist_ok=True)
        for name, program in {"mc": binary("mc"), "cat": shutil.which("cat")}.items():
            if not (tools / name).exists():
                (tools / name).symlink_to(str(program))
        environment = {
            "PATH": str(tools),
            "MINIO_ENDPOINT": self.server.endpoint,
            "BUCKET": self.bucket,
            "SECRETS": str(self.secrets),
            "MC_CONFIG_DIR": str(scratch),
        }
        return subprocess.run(
            ["/bin/sh", str(INIT)], env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def store(self, name: str, folder: Path) -> MinioStore:
        """The bucket as that user sees it."""
        keys = self.server.root_file if name == "root" else self.file(name)
        return bucket_store(self.server, self.bucket, folder / name / ".local", keys=keys, retry_s=5.0)


@pytest.fixture(scope="module")
def users(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Users:
    made = Users(minio, tmp_path_factory.mktemp("users"))
    for _ in range(2):  # it runs at every start
        done = made.init()
        assert done.returncode == 0, done.stderr + done.stdout
        assert not any(keys.secret_key in done.stdout + done.stderr for keys in made.keys.values())
    return made


def _stage(name: str, needs: dict[str, tuple[str, ...]] | None = None) -> Stage:
    return Stage(name, "tests", 1, "a stage", reads=("training.seed",), needs=needs or {})


def _work(ctx: StageContext) -> None:
    """All that a stage does with the store: checkpoints, progress, a file in parts, records where it keeps any."""
    for name in ctx.stage.needs:
        assert (ctx.input_dir(name) / "x").read_bytes() == name.encode()
    ctx.checkpoints.save("step-1", write(ctx.scratch_dir / "state", {"state": b"1"}))
    ctx.progress(1, 1)
    ctx.log.info("working")
    if ctx.stage.name == "evaluate":
        ctx.cache("answers").shelf("f" * 64).put("0" * 64, {"label": "DENY"})
    write(ctx.output_dir, {"x": ctx.stage.name.encode(), "big": b"0" * (11 * MIB)})


def test_each_stage_works_with_its_own_rights(users: Users, tmp_path: Path) -> None:
    """Every user opens the session, fails once, works, commits in parts, marks, and reuses: nobody else's keys."""
    before: list[str] = []
    for service, name in STAGE_OF.items():
        host = Host(users.server, users.bucket, tmp_path / service, keys=users.file(service))
        stage = _stage(name, dict.fromkeys(before, ("x",)))
        attempt = stage_run(stage, host.session, host.store)
        with pytest.raises(InputError):
            attempt.run(lambda: _fails)
        attempt.record_failure(InputError("x"))
        assert not run_stage(stage, host.session, host.store, _work).reused
        assert run_stage(stage, host.session, host.store, _work).reused
        assert StageMarkers(host.store, host.session.session_id, name).failed() is None
        before.append(name)


def _fails(ctx: StageContext) -> None:
    raise InputError("not yet")


def _refused(call: Callable[[], Any]) -> None:
    with pytest.raises(ServerError) as caught:
        call()
    assert caught.value.exit_code == 4
    assert isinstance(caught.value.__cause__, Failure)
    assert caught.value.__cause__.code == "AccessDenied"


@pytest.mark.parametrize("service", STAGE_OF)
def test_nobody_writes_anothers_artifacts(users: Users, tmp_path: Path, service: str) -> None:
    """No way of writing or deleting below another stage's artifacts is open, and nothing changes there."""
    (tmp_path / "file").write_bytes(b"0" * 6 * MIB)
    root, mine = users.store("root", tmp_path), users.store(service, tmp_path)
    for name in STAGE_OF.values():
        if name == STAGE_OF[service]:
            continue
        key = f"artifacts/{name}/{'0' * 64}/files/model.bin"
        etag = root.put_bytes(key, b"theirs").etag
        _refused(lambda key=key: mine.put_bytes(key, b"mine"))
        _refused(lambda key=key: mine.put_file(key, tmp_path / "file"))
        _refused(lambda key=key: mine.put_if_absent(f"{key}.new", b"mine"))
        _refused(lambda key=key, etag=etag: mine.compare_and_put(key, b"mine", etag))
        _refused(lambda key=key: mine.delete(key))
        assert root.read_versioned(key) == (b"theirs", etag)
        assert root.stat(f"{key}.new") is None
        assert mine.get_bytes(key) == b"theirs"  # reading is open to all


@pytest.mark.parametrize("service", STAGE_OF)
def test_nobody_deletes_anothers_session(users: Users, tmp_path: Path, service: str) -> None:
    """Neither the records of a session nor any stage's markers can be deleted; others' cannot be written either."""
    root, mine = users.store("root", tmp_path), users.store(service, tmp_path)
    own = STAGE_OF[service]
    markers = [f"sessions/s1/{name}/completed.json" for name in STAGE_OF.values()]
    foreign = [f"sessions/s1/{name}/failed.json" for name in STAGE_OF.values() if name != own]
    records = ["sessions/s1/session.json", f"sessions/by-config/{'1' * 64}.json"]
    for key in [*markers, *foreign, *records]:
        root.put_bytes(key, b"kept")
        _refused(lambda key=key: mine.delete(key))
        if key in foreign or (key in markers and own not in key.split("/")):
            _refused(lambda key=key: mine.put_bytes(key, b"mine"))
        assert root.get_bytes(key) == b"kept"


def test_only_the_evaluator_keeps_answers(users: Users, tmp_path: Path) -> None:
    """Answers for later runs are written by the evaluator alone, and deleted by none of the services."""
    for service in STAGE_OF:
        mine = users.store(service, tmp_path)
        if service == "evaluator":
            mine.put_bytes("cache/answers/00/0.json", b"{}")
        else:
            _refused(lambda mine=mine: mine.put_bytes("cache/answers/00/0.json", b"{}"))
        _refused(lambda mine=mine: mine.delete("cache/answers/00/0.json"))


def test_the_operator_may_do_everything_in_the_bucket(users: Users, tmp_path: Path) -> None:
    """Who runs `so8t-ab` by hand has the whole bucket, and no other one."""
    mine = users.store("operator", tmp_path)
    mine.put_bytes("artifacts/train/0/files/x", b"x")
    mine.delete("artifacts/train/0/files/x")
    other = users.server.new_bucket()
    _refused(lambda: bucket_store(users.server, other, tmp_path, keys=users.file("operator")).put_bytes("a", b""))


def test_the_dashboard_may_only_read(users: Users, tmp_path: Path) -> None:
    """The dashboard opens the bucket with a key that lists and reads everything, and can neither write nor delete."""
    users.store("operator", tmp_path).put_bytes("sessions/s/session.json", b"x")
    section = {"endpoint": users.server.endpoint, "bucket": users.bucket, "credentials_file": str(users.file("ui"))}
    mine = open_store(make_config(tmp_path, store=section), read_only=True)
    assert "sessions/s/session.json" in dict(mine.listing("sessions"))
    assert mine.get_bytes("sessions/s/session.json") == b"x"
    for key in ("sessions/s/session.json", "sessions/by-config/probe.json", "artifacts/train/0/files/x", "cache/x"):
        _refused(lambda key=key: mine.put_bytes(key, b""))
        _refused(lambda key=key: mine.delete(key))
    assert users.store("operator", tmp_path).get_bytes("sessions/by-config/probe.json") is None


def test_changed_keys_reach_their_user(users: Users, tmp_path: Path, said: Said) -> None:
    """After a key file was changed, the script lets the new secret in and not the old one."""
    users.file("reporter").rename(tmp_path / "old.json")
    users.new_keys("reporter")
    assert users.init().returncode == 0
    users.store("reporter", tmp_path).put_bytes("sessions/s/report/progress.json", b"{}")
    old = bucket_store(users.server, users.bucket, tmp_path, keys=tmp_path / "old.json")
    with pytest.raises(ServerError) as caught:
        old.get_bytes("a")
    said(caught.value, bucket=users.bucket)


def test_one_key_file_for_two_services(minio: MinioServer, tmp_path: Path, said: Said) -> None:
    """SO8T_CREDENTIALS left exported names one file for all stages: refused before anybody is given a right."""
    made = Users(minio, tmp_path)
    for service in STAGE_OF:
        made.file(service).write_bytes(made.file("trainer").read_bytes())
    done = made.init()
    assert done.returncode == 4
    said(done.stderr, user=made.keys["trainer"].access_key)
    with pytest.raises(ServerError) as caught:
        made.store("trainer", tmp_path).get_bytes("a")
    said(caught.value, bucket=made.bucket)


def test_rights_of_another_service_are_taken_away(minio: MinioServer, tmp_path: Path) -> None:
    """Two services exchange their key files: each user gets the rights of its new service, and loses the old ones."""
    made = Users(minio, tmp_path)
    for names in (("trainer", "reporter"), ("reporter", "trainer")):
        for service, name in zip(("trainer", "reporter"), names, strict=True):
            made.keys[name].write(made.file(service))
        assert made.init().returncode == 0
        mine = made.store("trainer", tmp_path / names[0])
        mine.put_bytes("artifacts/train/0/files/x", b"x")
        _refused(lambda mine=mine: mine.put_bytes("artifacts/report/0/files/x", b"x"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda users: users.file("trainer").unlink(),
        lambda users: users.file("trainer").write_text("{}"),
        lambda users: (users.secrets / "minio_root_password").unlink(),
        lambda users: (users.secrets / "minio_root_password").write_text("wrong-1234"),
    ],
    ids=["no key file", "no keys", "no root password", "wrong root password"],
)
def test_what_is_missing_is_named(
    minio: MinioServer, tmp_path: Path, spoil: Callable[[Users], None], said: Said
) -> None:
    """A missing or wrong secret ends the script with what, where and what to do, and without the secret."""
    made = Users(minio, tmp_path)
    spoil(made)
    done = made.init()
    assert done.returncode == 4
    said(done.stderr)
    assert minio.root.secret_key not in done.stderr
