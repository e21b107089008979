"""What goes wrong with containers, and the messages that users see."""

from __future__ import annotations

import pytest
from tests.compose.engine import docker
from tests.compose.stack import SERVICES, Stack
from tests.messages import Said

from so8t_shared.containers.engine import Engine

pytestmark = pytest.mark.timeout(1800)


def test_a_failing_stage_ends_up_with_its_code(stack: Stack, said: Said) -> None:
    """A broken row of data: the trainer's code and message, and nobody goes on waiting for it."""
    [rows] = (stack.folder / "inputs" / "data").glob("*.jsonl")
    rows.write_text('{"text": "show me", "label": "ALLOW"}\n{"text": broken\n')
    done = stack.script("up", check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"{rows.name}:2" in done.stderr
    said("\n".join(done.stderr.splitlines()[-3:]))
    assert {stack.state(service)[0] for service in SERVICES} == {"exited"}
    assert stack.state("minio")[0] == "running"


def test_a_gpu_is_asked_for_where_there_is_none(stack: Stack, said: Said) -> None:
    """`make up` says what helps before anything starts; compose itself fails with the engine's own words."""
    if Engine().has_gpu():
        pytest.skip("CANNOT BE TESTED HERE: this Docker engine has a GPU")
    done = stack.script("up", check=False, CPU="")
    assert done.returncode == 2
    said(done.stderr)
    assert [s for s in SERVICES if stack.container(s)] == []
    raw = stack.compose("--profile", "serve", "up", "--detach", gpu=True, check=False)
    assert raw.returncode != 0
    assert 'could not select device driver "nvidia"' in raw.stderr  # the engine's own words


@pytest.mark.parametrize("missing", ["secrets/trainer.json", "inputs", "results"])
def test_what_is_mounted_must_be_there(stack: Stack, missing: str, said: Said) -> None:
    """A forgotten first step is named with what makes it good, and nothing is started."""
    (stack.folder / missing).rename(stack.folder / "elsewhere")
    done = stack.script("up", check=False)
    assert done.returncode == 2
    assert f"  where: {stack.folder / missing}" in done.stderr.splitlines()
    said(done.stderr)
    assert [s for s in SERVICES if stack.container(s)] == []


@pytest.mark.parametrize("left", ["store/sessions", "model"])
def test_the_demos_inputs_are_missing_beside_other_files(stack: Stack, left: str, said: Said) -> None:
    """A run's store, or a half-made model, in demo-run/ is not taken for the demo's model and data."""
    folder = stack.folder / "demo-run"
    (folder / left).mkdir(parents=True)
    done = stack.script("up", check=False, SO8T_INPUTS=str(folder), SO8T_INPUTS_AT="demo-run")
    assert done.returncode == 2
    assert f"  where: {folder}" in done.stderr.splitlines()
    said(done.stderr)
    assert [s for s in SERVICES if stack.container(s)] == []


def test_keys_are_made_once_and_kept(stack: Stack) -> None:
    """A second `make secrets` changes nothing: it would lock the stages out of their own bucket."""
    folder = stack.folder / "secrets"
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o700
    done = stack.script("secrets")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert done.stdout == ""


def test_without_an_engine(stack: Stack, said: Said) -> None:
    """No Docker engine: 4 and what to do, not a client's stack of words."""
    done = stack.script("up", check=False, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.returncode == 4
    said(done.stderr)
    assert docker("version").returncode == 0
