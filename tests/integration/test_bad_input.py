"""Bad input: one clear message, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.workspace import PIPELINE, Workspace, environment, make_workspace, message_of
from tests.messages import Said

LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n"


def _unknown_key(w: Workspace) -> None:
    w.edit(training={"learning_rat": 0.1})


def _wrong_type(w: Workspace) -> None:
    w.edit(training={"max_steps": "many"})


def _no_yaml(w: Workspace) -> None:
    w.config.write_text("model_a: [unclosed\n")


def _missing_model(w: Workspace) -> None:
    w.edit(model_a={"base_model": "no/such/folder"})


def _no_config_json(w: Workspace) -> None:
    (w.root / "empty").mkdir()
    w.edit(model_a={"base_model": "empty"})


def _missing_data(w: Workspace) -> None:
    w.edit(dataset={"paths": ["no-such-file.jsonl"]})


def _lfs_data(w: Workspace) -> None:
    (w.root / "rows.jsonl").write_text(LFS_POINTER)
    w.edit(dataset={"paths": ["rows.jsonl"]})


def _rows(w: Workspace, text: str, **source: object) -> None:
    (w.root / "rows.jsonl").write_text(text)
    w.edit(dataset={"paths": ["rows.jsonl"], "source": {"license": "mit", "provenance": "a test"}, **source})


def _broken_row(w: Workspace) -> None:
    _rows(w, '{"text": "b", \n')


def _unknown_label(w: Workspace) -> None:
    _rows(w, '{"text": "b", "label": "MAYBE"}\n')


def _no_license(w: Workspace) -> None:
    _rows(w, '{"text": "b", "label": "DENY"}\n', source=None)


def _foreign_license(w: Workspace) -> None:
    _rows(w, '{"text": "b", "label": "DENY"}\n', source={"license": "proprietary", "provenance": "a test"})


@pytest.mark.parametrize(
    "spoil",
    [
        *(_unknown_key, _wrong_type, _no_yaml, _missing_model, _no_config_json, _missing_data),
        *(_lfs_data, _broken_row, _unknown_label, _no_license, _foreign_license),
    ],
)
def test_refused_before_anything_starts(workspace: Workspace, spoil: Callable[[Workspace], None], said: Said) -> None:
    """Whatever can be known from the start is reported at the start; no session and no artifact is made."""
    spoil(workspace)
    said(message_of(workspace.cli("run", "-c", "config.yaml"), 2))
    assert not list(workspace.root.glob("store/sessions/*/session.json"))
    _assert_nothing_half_written(workspace)


def _copy_model(w: Workspace, model: Path) -> Path:
    copy = w.root / "model"
    shutil.copytree(model, copy)
    w.edit(model_a={"base_model": "model"})
    return copy


def _truncated(w: Workspace, model: Path) -> None:
    path = _copy_model(w, model) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def _unsupported(w: Workspace, model: Path) -> None:
    path = _copy_model(w, model) / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "architectures": ["MambaForCausalLM"]}))


def _broken_config_json(w: Workspace, model: Path) -> None:
    (_copy_model(w, model) / "config.json").write_text("{")


def _weights_pointer(w: Workspace, model: Path) -> None:
    (_copy_model(w, model) / "model.safetensors").write_text(LFS_POINTER)


def _looping_template(w: Workspace, model: Path) -> None:
    loop = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    (_copy_model(w, model) / "chat_template.jinja").write_text(loop)


@pytest.mark.parametrize("spoil", [_truncated, _unsupported, _broken_config_json, _weights_pointer, _looping_template])
def test_convert_refuses_a_bad_model(
    workspace: Workspace, tiny_llama: Path, spoil: Callable[[Workspace, Path], None], said: Said
) -> None:
    """A checkpoint that cannot be converted is named, with its file and the remedy; exit code 2."""
    spoil(workspace, tiny_llama)
    said(message_of(workspace.cli("stage", "convert-a", "-c", "config.yaml"), 2))
    _assert_nothing_half_written(workspace)


@pytest.mark.parametrize(
    "content",
    [
        b'{"text": "a", "label": "ALLOW"}\n{"text": "b", \n',
        b'{"text": "\xff\xfe", "label": "ALLOW"}\n',
        b"",
        b"".join(b'{"text": "row %d of one class", "label": "DENY"}\n' % i for i in range(40)),
        b'{"text": "a", "label": "MAYBE"}\n',
    ],
    ids=["broken line", "not UTF-8", "empty", "one class", "unknown label"],
)
def test_train_refuses_bad_data(workspace: Workspace, content: bytes, said: Said) -> None:
    """A data set that cannot be used is named with file and line; exit code 2."""
    (workspace.root / "data").mkdir()
    (workspace.root / "data" / "rows.jsonl").write_bytes(content)
    (workspace.root / "data" / "dataset_card.yaml").write_text("license: mit\nprovenance: a test\n")
    workspace.edit(dataset={"paths": ["data/rows.jsonl"]})
    said(message_of(workspace.cli("stage", "train", "-c", "config.yaml"), 2))
    _assert_nothing_half_written(workspace)


def test_a_failed_stage_stops_the_run_with_its_code_and_message(workspace: Workspace, said: Said) -> None:
    """`run` ends with the exit code of the stage that failed, shows its message once, starts nothing after it."""
    rows = [{"text": f"row {i}", "label": ("ALLOW", "DENY")[i % 2], "split": "test"} for i in range(8)]
    _rows(workspace, "".join(json.dumps(row) + "\n" for row in rows))
    done = workspace.cli("run", "-c", "config.yaml")
    said(message_of(done, 2))
    assert "convert-b" not in [line.split()[0] for line in done.stderr.splitlines() if "running" in line]
    [failed] = workspace.store.glob("sessions/*/train/failed.json")
    assert json.loads(failed.read_text())["retryable"] is False


def test_a_stage_without_its_upstream_exits_3(workspace: Workspace, said: Said) -> None:
    """Evaluate alone says which stage is missing."""
    done = workspace.cli("stage", "evaluate", "-c", "config.yaml")
    said(message_of(done, 3))


def test_a_corrupt_artifact_is_told_and_made_anew(finished_copy: Workspace) -> None:
    """One flipped byte in a committed GGUF: the run says so, rebuilds that artifact, and asks no model again."""
    [manifest] = finished_copy.store.glob("artifacts/convert-b/*/manifest.json")
    before = json.loads(manifest.read_text())
    victim = manifest.parent / "attempts/0001/output/model_b_q8_0.gguf"
    victim.chmod(0o644)
    with victim.open("r+b") as file:
        file.seek(5000)
        byte = file.read(1)
        file.seek(5000)
        file.write(bytes([byte[0] ^ 0xFF]))
    done = finished_copy.run()
    assert "damaged" in done.stderr
    assert "model_b_q8_0.gguf" in done.stderr
    reused = {line.split()[0] for line in done.stderr.splitlines() if "reused" in line}
    assert {"convert-a", "train", "import", "evaluate"} <= reused
    assert "convert-b" not in reused
    after = json.loads(manifest.read_text())
    gguf = [{f["path"]: f["sha256"] for f in m["files"] if f["path"].endswith(".gguf")} for m in (before, after)]
    assert gguf[0] == gguf[1]


def test_a_deleted_file_is_told_and_made_anew(finished_copy: Workspace) -> None:
    """An artifact whose marker is there but whose file is gone is not served."""
    [victim] = finished_copy.store.glob("artifacts/report/*/attempts/*/output/report.html")
    victim.unlink()
    done = finished_copy.run()
    assert "report.html is missing" in done.stderr
    assert list(finished_copy.store.glob("artifacts/report/*/attempts/*/output/report.html"))


@pytest.fixture
def mount(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the pipeline in a mount namespace of its own, where a folder can be small or read-only."""
    if subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("SKIPPED disk tests: this machine does not allow 'unshare -rm' (a private mount namespace)")

    def run(workspace: Workspace, mounting: str, *command: str) -> subprocess.CompletedProcess[str]:
        mounted = f'{mounting} && exec "$@"'
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c", mounted, "sh", *PIPELINE, *(command or ("run",)), "-c", "config.yaml"],
            cwd=workspace.root,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def test_a_full_disk_is_told_and_costs_nothing(
    workspace: Workspace, mount: Callable[..., subprocess.CompletedProcess[str]], said: Said
) -> None:
    """In a store of 3 MB convert-a ends with one message and exit code 2; with space, a run resumes."""
    workspace.store.mkdir()
    done = mount(workspace, "mount -t tmpfs -o size=3m tmpfs store", "stage", "convert-a")
    message = message_of(done, 2)
    [scratch] = re.findall(r"/scratch/(convert-a-\S+)", message)
    said(message, scratch=scratch)
    workspace.run("--to", "convert-a")
    assert workspace.manifests()["convert-a"]["files"]


def test_a_run_that_cannot_end_does_not_begin(
    workspace: Workspace, mount: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A store of 3 MB: exit code 2 before the first stage, naming the folder; `plan` says the same."""
    workspace.store.mkdir()
    for command in ("run", "plan"):
        message = message_of(mount(workspace, "mount -t tmpfs -o size=3m tmpfs store", command), 2)
        assert message.splitlines()[1].startswith("  where: store: ")
    assert not list(workspace.root.glob("store/sessions/*/session.json"))


def test_a_disk_with_no_byte_left_is_told(
    finished_copy: Workspace, mount: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """A disk that fills up to the last byte while evaluate works: its message and exit code 2, though no file of it."""
    for folder in ("evaluate", "report"):
        shutil.rmtree(next(finished_copy.store.glob("sessions/2*")) / folder)
        shutil.rmtree(finished_copy.store / "artifacts" / folder)
    (finished_copy.root / "full").mkdir()
    begun = "until ls full/sessions/*/evaluate/progress.json; do sleep 0.02; done"
    filling = "fallocate -l 450m full/rest; dd if=/dev/zero of=full/more bs=4k"
    done = mount(
        finished_copy,
        "mount -t tmpfs -o size=500m tmpfs full && cp -a store/. full/ && mount --bind full store && "
        f"( ( {begun}; {filling} ) >/dev/null 2>&1 & true )",
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("evaluate failed: The disk is full.\n  where: ") == 1
    assert done.stderr.rstrip().endswith("to do: free some space and run the same command again to resume")


def test_a_read_only_output_folder_is_told_before_the_work(
    workspace: Workspace, mount: Callable[..., subprocess.CompletedProcess[str]], said: Said
) -> None:
    """Results that could not be written are no surprise after hours: exit code 2 at once."""
    workspace.results.mkdir()
    done = mount(workspace, "mount -t tmpfs tmpfs results && mount -o remount,ro results")
    message = message_of(done, 2)
    [probe] = re.findall(r"/results/(\S+)", message)
    said(message, probe=probe)
    assert not list(workspace.root.glob("store/sessions/*/session.json"))


def test_a_width_not_divisible_by_8_is_refused(tmp_path: Path, tiny_rows: Path, said: Said) -> None:
    """A model whose attention width has no whole blocks of 8 cannot have gates: said with the number."""
    from tests.tiny_models import make_llama

    model = make_llama(tmp_path / "odd", hidden=260, heads=5, kv_heads=5)
    workspace = make_workspace(tmp_path / "work", model, tiny_rows)
    done = workspace.cli("stage", "train", "-c", "config.yaml")
    said(message_of(done, 2))


def _assert_nothing_half_written(workspace: Workspace) -> None:
    assert not list(workspace.root.glob("store/artifacts/*/*/manifest.json"))
    assert not list(workspace.root.glob("store/artifacts/*/*/attempts/*/output/*"))
    assert not [p for p in workspace.root.glob("results/**/*") if p.is_file()]
    assert not list(workspace.root.glob("store/.local/scratch/*"))
    assert not list(workspace.root.glob("store/.local/tmp/*"))
