"""`so8t-ab notify test`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.servers.receivers import http_receiver
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.core_environment import make_core_environment, run_python


def test_nobody(cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """Exit code 2, and where receivers are named."""
    monkeypatch.delenv("SO8T_NOTIFY", raising=False)
    done = cli("notify", "test", "-c", config_file)
    assert done.code == 2
    said(done.err)


def test_all_delivered(cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each receiver is named without its secrets; exit code 0."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "null")
    with http_receiver() as web:
        monkeypatch.setenv("SO8T_NOTIFY", f"json://me:long-word@127.0.0.1:{web.port}/hook")
        done = cli("notify", "test", "-c", config_file, "--set", "notify.sound=true")
    assert (done.code, done.err) == (0, "")
    shown = [f"delivered: json://me:****@127.0.0.1:{web.port}/...", "delivered: sound"]
    assert sorted(done.out.splitlines()) == shown
    assert len(web.posts) == 1


def test_one_is_not(cli: Cli, config_file: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    """Exit code 4; who got it, who did not, and why, also where something hangs."""
    with http_receiver() as web, http_receiver("refuse") as no, http_receiver("hang") as mute:
        addresses = [f"json://127.0.0.1:{each.port}" for each in (web, no)]
        monkeypatch.setenv("SO8T_NOTIFY", ",".join([*addresses, f"json://127.0.0.1:{mute.port}?rto=60"]))
        done = cli("notify", "test", "-c", config_file, "--set", "notify.timeout_s=2")
    assert done.code == 4
    assert done.out == f"delivered: json://127.0.0.1:{web.port}\n"
    said(done.err)


def test_without_the_packages(config_file: Path, tmp_path: Path, said: Said) -> None:
    """One message with the command that installs them."""
    (tmp_path / "core").mkdir()
    environ = {**make_core_environment(tmp_path / "core"), "SO8T_NOTIFY": "json://127.0.0.1:9"}
    done = run_python(environ, "-m", "so8t_shared.cli", "notify", "test", "-c", config_file)
    assert done.returncode == 2
    said(done.stderr)
    code = """
from so8t_shared.config.notify import Notify
from so8t_shared.notify.sending import Outbox
print(Outbox.open(Notify()))"""
    done = run_python(environ, "-c", code)
    assert (done.returncode, done.stdout) == (0, "None\n")
    said(done.stderr)
