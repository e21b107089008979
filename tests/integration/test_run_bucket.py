"""The whole pipeline over a bucket: the same results as in a folder, and every command works on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.workspace import Workspace, make_workspace, message_of
from tests.messages import Said
from tests.servers.minio_server import MinioServer
from tests.servers.receivers import Received, http_receiver

from so8t_converter.gguf_diff import diff
from so8t_shared.artifacts.copies import EVALUATED_KEY, SESSION_KEY
from so8t_shared.stages import STAGES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notified() -> Iterator[Received]:
    """A web server that gets the notifications of the run."""
    with http_receiver() as web:
        yield web


@pytest.fixture(scope="module")
def in_bucket(
    minio: MinioServer, tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path, tiny_rows: Path, notified: Received
) -> Workspace:
    """A workspace whose store is a bucket, after one run."""
    section = minio.section(minio.new_bucket())
    workspace = make_workspace(tmp_path_factory.mktemp("bucket"), tiny_llama, tiny_rows, store=section)
    (workspace.root / "urls").write_text(f"json://127.0.0.1:{notified.port}/hook-of-mine")
    workspace.run("--set", "notify.urls_file=urls")
    return workspace


def _manifests(minio: MinioServer, workspace: Workspace) -> dict[str, list[tuple[str, str]]]:
    import yaml

    client, bucket = minio.client(), yaml.safe_load(workspace.config.read_text())["store"]["bucket"]
    found = {}
    for item in client.list_objects(bucket, prefix="artifacts/", recursive=True):
        name = str(item.object_name)
        if name.endswith("/manifest.json") and name.count("/") == 3:
            raw = json.loads(client.get_object(bucket, name).data)
            found[name] = sorted((f["path"], f["sha256"]) for f in raw["files"])
    return found


def test_the_same_artifacts_as_in_a_folder(minio: MinioServer, in_bucket: Workspace, finished: Workspace) -> None:
    """Each stage has the same fingerprint in both, where what it reads does not differ."""
    ours = {key.split("/")[1]: key.split("/")[2] for key in _manifests(minio, in_bucket)}
    theirs = {p.parts[-3]: p.parts[-2] for p in finished.store.glob("artifacts/*/*/manifest.json")}
    assert set(ours) == set(theirs) == {"convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report"}
    assert ours["convert-a"] == theirs["convert-a"]
    assert ours["train"] == theirs["train"]


def test_only_scratch_is_kept_on_the_host(in_bucket: Workspace) -> None:
    """checkpoint_dir holds .local and nothing else, and no scratch of a stage is left."""
    assert [p.name for p in in_bucket.store.iterdir()] == [".local"]
    assert list((in_bucket.store / ".local" / "scratch").iterdir()) == []
    assert not list((in_bucket.store / ".local" / "downloads").rglob(".*.part"))


def test_the_second_run_reuses_everything(minio: MinioServer, in_bucket: Workspace) -> None:
    """Run again, nothing is computed and no artifact is written."""
    before = _manifests(minio, in_bucket)
    results = in_bucket.results_json()
    in_bucket.run()
    assert _manifests(minio, in_bucket) == before
    assert in_bucket.results_json() == results


def test_commands_work_on_the_bucket(minio: MinioServer, in_bucket: Workspace, tmp_path: Path) -> None:
    """plan, status, watch, logs, artifacts ls, get and gc, from the bucket alone."""
    said = {}
    commands = (["plan"], ["status"], ["watch"], ["logs", "train"], ["artifacts", "ls"], ["artifacts", "gc"])
    for command in commands:
        done = in_bucket.cli(*command, "-c", "config.yaml")
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert minio.root.secret_key not in done.stdout + done.stderr
        said[command[-1]] = done.stdout
    assert said["plan"].count("reuse") >= len(STAGES)
    assert said["status"].count("done") + said["status"].count("reused") == len(STAGES)
    assert "Gate:" in said["watch"]
    assert "0 artifacts" in said["gc"]
    key = next(key for key in _manifests(minio, in_bucket) if key.startswith("artifacts/convert-a/"))
    fingerprint = key.split("/")[2]
    done = in_bucket.cli("artifacts", "get", fingerprint[:12], str(tmp_path / "got"), "-c", "config.yaml")
    assert done.returncode == 0, done.stderr
    files = {str(p.relative_to(tmp_path / "got")) for p in (tmp_path / "got").rglob("*") if p.is_file()}
    assert files == {path for path, _ in _manifests(minio, in_bucket)[key]}


def test_the_run_was_notified_once(in_bucket: Workspace, notified: Received) -> None:
    """With the verdict of its own report, read from the bucket."""
    results = in_bucket.results_json()
    [post] = notified.posts
    refused = results["evaluation"]["gate"]["result"] != "pass"
    assert ("the gate refuses B" if refused else "all stages are done") in post["title"]
    assert results["session_id"] in post["title"]
    assert "Harmful requests allowed: A " in post["message"]


def test_wrong_keys_end_every_command_with_4(in_bucket: Workspace, said: Said) -> None:
    """One message with what to do, exit code 4, and no secret."""
    (in_bucket.root / "wrong.json").write_text('{"accessKey": "nobody", "secretKey": "not-the-secret"}')
    override = ["--set", "store.credentials_file=wrong.json"]
    for command in ("run", "plan", "status"):
        done = in_bucket.cli(command, "-c", "config.yaml", *override)
        said(message_of(done, 4))
        assert "not-the-secret" not in done.stdout + done.stderr


def test_export_from_the_bucket(minio: MinioServer, in_bucket: Workspace, finished: Workspace, tmp_path: Path) -> None:
    """The run has downloaded no model, and says how to get one; `export` does it, all weights the same."""
    [models] = in_bucket.results.glob("ab_test_results/*/models")
    assert {p.name for p in models.iterdir()} == {f"tiny-retrained.{q}.Modelfile" for q in ("f16", "q8_0", "q4_k_m")}
    status = in_bucket.cli("status", "-c", "config.yaml").stdout
    assert "Model B: so8t-ab export " in status
    done = in_bucket.cli("export", "-c", "config.yaml", "--to", str(tmp_path / "got"))
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "got").iterdir()} == {"model_b_q4_k_m.gguf", "tiny-retrained.q4_k_m.Modelfile"}
    [same] = finished.results.glob("ab_test_results/*/models/model_b_q4_k_m.gguf")
    found = diff(same, tmp_path / "got" / "model_b_q4_k_m.gguf")
    assert ([key.key for key in found.keys], found.tensors) == ([SESSION_KEY, EVALUATED_KEY], [])
