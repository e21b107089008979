"""Where addresses may stand, and what is said about those that stand elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from apprise import Apprise
from tests.messages import Said
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.cli.conftest import cli as cli

from so8t_shared.config.load import load_config
from so8t_shared.config.notify import DESKTOPS, Notify
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.notify.receivers import receivers_of
from so8t_shared.redaction import without_secrets


def test_environment_file_and_desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, each once; comments and empty lines are none. What the file holds is redacted from then on."""
    monkeypatch.setenv("SO8T_NOTIFY", "json://a, json://b")
    file = tmp_path / "urls.txt"
    file.write_text("\ufeff# mine\n\n  json://b\nmailto://me:word-of-a-file@host\n", encoding="utf-8")
    found = receivers_of(Notify(urls=["dbus://"], urls_file=str(file)))
    assert found.urls == ("json://a", "json://b", "mailto://me:word-of-a-file@host", "dbus://")
    assert without_secrets("word-of-a-file") == "***"


def test_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default nobody is told."""
    monkeypatch.delenv("SO8T_NOTIFY", raising=False)
    assert not receivers_of(Notify())
    assert receivers_of(Notify(sound=True))


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"json://a\nhook-of-mine\n"])
def test_a_file_that_is_none(content: bytes | None, tmp_path: Path, said: Said) -> None:
    """Missing, no text, or a line without an address, whose text is not told."""
    path = tmp_path / "urls.txt"
    if content is not None:
        path.write_bytes(content)
    with said.raised(InputError) as caught:
        receivers_of(Notify(urls_file=str(path)))
    assert str(path) in caught.value.where
    assert "hook-of-mine" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mailto://me:a-long-pass-word-of-mine-1234567890-and-more-letters-than-are-shown@host",
        "json://host/hook-of-mine",
    ],
)
def test_an_address_in_the_configuration(url: str, config_file: Path, cli: Cli, said: Said) -> None:
    """It is refused with the places where it may stand, and no part of it is told."""
    config_file.write_text(f"{config_file.read_text()}\nnotify: {{urls: ['dbus://', '{url}']}}\n")
    with pytest.raises(ConfigError):
        load_config(config_file)
    done = cli("run", "-c", config_file)
    assert done.code == 2
    assert "a-long-pass" not in done.err
    assert "hook-of-mine" not in done.err
    said(done.err)


def test_the_word_on(config_file: Path, said: Said) -> None:
    """YAML reads a bare `on` as true; the key means what it says."""
    before = config_file.read_text()
    config_file.write_text(f"{before}\nnotify:\n  on: [run_done]\n")
    assert load_config(config_file).notify.on == ["run_done"]
    config_file.write_text(f"{before}\nnotify:\n  on: [run_gone]\n")
    with said.raised(ConfigError):
        load_config(config_file)


@pytest.mark.parametrize("scheme", DESKTOPS)
def test_desktops(scheme: str) -> None:
    """apprise knows each of them."""
    services = Apprise().details(show_disabled=True)["schemas"]
    assert scheme in {name for service in services for name in service["protocols"] or ()}
