"""Keys once, in the folder that compose will look in, and whole lines in .env."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from so8t_shared.config.notify import Notify
from so8t_shared.containers.keys import make_keys
from so8t_shared.notify.receivers import receivers_of

Make = Callable[..., list[str]]


@pytest.fixture
def make(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes keys with this .env and no other setting; returns what was said."""
    for name in ("SO8T_SECRETS", "SO8T_RESULTS"):
        monkeypatch.delenv(name, raising=False)

    def run(env_file: Path, **variables: str) -> list[str]:
        monkeypatch.setenv("ENV_FILE", str(env_file))
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        said: list[str] = []
        make_keys(said.append)
        return said

    return run


@pytest.mark.parametrize(
    "line", ["SO8T_SECRETS={}", 'SO8T_SECRETS="{}"', "export SO8T_SECRETS='{}'", "SO8T_SECRETS={} # mine"]
)
def test_folders_named_in_env_file(make: Make, tmp_path: Path, line: str) -> None:
    """The key folder that .env names, in any notation that compose reads, is the one that is filled."""
    keys, results = tmp_path / "my keys", tmp_path / "out"
    env_file = tmp_path / ".env"
    env_file.write_text(f"{line.format(keys)}\nSO8T_RESULTS={results}\n")
    make(env_file)
    assert len(json.loads((keys / "trainer.json").read_text())["secretKey"]) == 40
    assert keys.stat().st_mode & 0o777 == 0o700
    modes = {path.name: path.stat().st_mode & 0o777 for path in keys.iterdir()}
    assert modes.pop("notify_urls") == 0o644
    assert set(modes.values()) == {0o444}
    assert results.is_dir()


def test_the_shell_goes_before_env_file(make: Make, tmp_path: Path) -> None:
    """As with compose itself."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'b'}\nSO8T_RESULTS={tmp_path / 'out'}\n")
    make(env_file, SO8T_SECRETS=str(tmp_path / "a"))
    assert (tmp_path / "a" / "operator.json").is_file()
    assert not (tmp_path / "b").exists()


def test_a_last_line_without_its_end_is_kept_whole(make: Make, tmp_path: Path) -> None:
    """Lines are added below it, not to it."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'keys'}\nSO8T_RESULTS={tmp_path / 'out'}")
    make(env_file)
    lines = env_file.read_text().splitlines()
    assert lines[1] == f"SO8T_RESULTS={tmp_path / 'out'}"
    names = ["SO8T_UID", "SO8T_GID", "SO8T_HOST_NAME", "SO8T_MEMORY", "SO8T_NOTIFY_FILE"]
    assert [line.partition("=")[0] for line in lines[2:]] == names


def test_nothing_secret_is_said(make: Make, tmp_path: Path) -> None:
    """Names alone."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'keys'}\nSO8T_RESULTS={tmp_path / 'out'}\n")
    said = "\n".join(make(env_file))
    keys = [json.loads(path.read_text())["secretKey"] for path in (tmp_path / "keys").glob("*.json")]
    keys += [(tmp_path / "keys" / name).read_text() for name in ("minio_root_password", "audit_key", "ui_token")]
    assert len(set(keys)) == len(keys) == 13
    assert not [key for key in keys if key in said]


def test_once(make: Make, tmp_path: Path) -> None:
    """A second call makes and prints nothing: keys that are in use stay."""
    env_file = tmp_path / ".env"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'keys'}\nSO8T_RESULTS={tmp_path / 'out'}\n")
    make(env_file)
    before = {path: path.read_bytes() for path in [env_file, *(tmp_path / "keys").iterdir()]}
    assert make(env_file) == []
    assert {path: path.read_bytes() for path in before} == before


def test_addresses_to_notify(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file for them, which .env names and which holds none; addresses that people wrote stay and are not said."""
    monkeypatch.delenv("SO8T_NOTIFY", raising=False)
    env_file, file = tmp_path / ".env", tmp_path / "keys" / "notify_urls"
    env_file.write_text(f"SO8T_SECRETS={tmp_path / 'keys'}\nSO8T_RESULTS={tmp_path / 'out'}\n")
    make(env_file)
    assert f"SO8T_NOTIFY_FILE={file.as_posix()}\n" in env_file.read_text()
    assert not receivers_of(Notify(urls_file=str(file)))
    file.write_text("json://host/hook-of-mine\n")
    env_file.write_text(env_file.read_text().replace("SO8T_NOTIFY_FILE=", "SO8T_NOTIFY_FILE=elsewhere"))
    assert make(env_file) == []
    assert file.read_text() == "json://host/hook-of-mine\n"
    assert "SO8T_NOTIFY_FILE=elsewhere" in env_file.read_text()
