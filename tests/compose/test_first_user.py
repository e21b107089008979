"""The first user's files, as they are on a drive D:, from run.sh to the report in containers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.compose.engine import ROOT, docker, run_command
from tests.compose.stack import SERVICES, Stack, own_places, removed_afterwards
from tests.first_user import STEPS, write_drive
from tests.messages import Said

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def user(images: None, tmp_path: Path) -> Iterator[Stack]:
    """The drive is a folder of this host, and nothing else is prepared: no keys, no line in .env."""
    folder = tmp_path / "user"
    write_drive(folder / "D")
    for path in (folder / "D").rglob("*"):
        path.chmod(path.stat().st_mode | 0o044)  # transformers writes weights for their owner alone
    variables = own_places(folder) | {"SO8T_INPUTS_ROOT": str(folder / "D")}
    with removed_afterwards(Stack(folder, "so8t-test-user", variables)) as made:
        yield made


def _has_checkpoint(user: Stack) -> bool:
    """Whether a checkpoint is committed: it is written while training continues, so a step alone is no sign."""
    if not (user.container("trainer") and user.container("minio")):
        return False
    found = "ls -d /data/*/artifacts/train/*/attempts/*/checkpoints/*/manifest.json"
    return docker("exec", user.container("minio"), "sh", "-c", found, check=False).returncode == 0


def test_killed_and_started_again(user: Stack, said: Said) -> None:
    """The trainer dies after a step; the same command resumes it, and the report is where the last line says."""
    command = ["/bin/sh", str(ROOT / "run.sh"), "--cpu", str(user.folder / "D" / "work" / "pipeline.yaml")]
    with subprocess.Popen(command, env=user.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as first:
        user.until(lambda: _has_checkpoint(user), "a checkpoint in the bucket")
        docker("kill", user.container("trainer"))
        told = first.communicate(timeout=120)[0].decode()
    assert first.returncode == 137, told
    assert f"train      1/{STEPS} loss" in told
    assert told.count("to do:") == 1
    said("\n".join(told.splitlines()[-3:]))
    done = run_command(command, user.environ, timeout_s=600)
    assert user.states() == dict.fromkeys(SERVICES, ("exited", 0))
    resumed = re.search(rf"resuming after step (\d+) of {STEPS}", user.logs("trainer"))
    assert resumed
    assert 1 <= int(resumed[1]) < STEPS
    last = re.fullmatch(r"Report: (\S+/report\.html)", done.stdout.rstrip().splitlines()[-1])
    assert last, done.stdout
    assert Path(last[1]).is_relative_to(user.folder / "results")
    assert Path(last[1]).is_file()
    assert user.results()["evaluation"]["test_set"]["n"] == 8
    log = re.search(r"^log: (\S+)$", done.stdout, re.MULTILINE)
    assert log
    assert Path(log[1]).read_text("utf-8").rstrip().endswith(last[0])
