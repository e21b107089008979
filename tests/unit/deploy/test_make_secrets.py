"""deploy/make_secrets.sh: keys once, in the folder that compose will look in, and whole lines in .env."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def _make_secrets(env_file: Path, **variables: str) -> str:
    """Run the script with this .env; what it printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SO8T_")}
    environment.update(ENV_FILE=str(env_file), **variables)
    done = subprocess.run(
        [ROOT / "deploy" / "make_secrets.sh"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "line", ["SO8T_SECRETS={}", 'SO8T_SECRETS="{}"', "export SO8T_SECRETS='{}'", "SO8T_SECRETS={} # mine"]
)
def test_folders_named_in_env_file(tmp_path: Path, line: str) -> None:
    """The key folder that .env names, in any notation that compose reads, is the one that is filled."""
    keys, results = tmp_path / "my keys", tmp_path / "out"
    env_file = tmp_path / ".env"
    env_file.write_text(f"{line.format(keys)}\nSO8T_RESULTS={results}\n")
    _make_secrets(env_file)
    assert len(json.loads((keys / "trainer.json").read_text())["secretKey"]) == 40
    assert keys.stat().st_mode & 0o777 == 0o700
    assert results.is_dir()


def test_the_shell_goes_before_env_file(tmp_path: Path) -> None:
    """As with compose itself."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'b'}\nSO8T_RESULTS={tmp_path / 'out'}\n")
    _make_secrets(env_file, SO8T_SECRETS=str(tmp_path / "a"))
    assert (tmp_path / "a" / "operator.json").is_file()
    assert not (tmp_path / "b").exists()


def test_a_last_line_without_its_end_is_kept_whole(tmp_path: Path) -> None:
    """Lines are added below it, not to it."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'keys'}\nSO8T_RESULTS={tmp_path / 'out'}")
    _make_secrets(env_file)
    lines = env_file.read_text().splitlines()
    assert lines[1] == f"SO8T_RESULTS={tmp_path / 'out'}"
    assert [line.partition("=")[0] for line in lines[2:]] == ["SO8T_UID", "SO8T_GID", "SO8T_HOST_NAME", "SO8T_MEMORY"]


def test_once(tmp_path: Path) -> None:
    """A second call makes and prints nothing: keys that are in use stay."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'keys'}\nSO8T_RESULTS={tmp_path / 'out'}\n")
    _make_secrets(env_file)
    before = {path: path.read_bytes() for path in [env_file, *(tmp_path / "keys").iterdir()]}
    assert _make_secrets(env_file) == ""
    assert {path: path.read_bytes() for path in before} == before
