"""Credentials of this process are taken out of a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from so8t_shared.cli.main import main
from so8t_shared.errors import InputError
from so8t_shared.redaction import without_secrets
from so8t_shared.store.credentials import read_credentials


def test_values_that_look_like_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the variable's name in any case; one that begins with another leaves no rest."""
    monkeypatch.setenv("my_api_key", "letters")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "letters-and-more")
    assert without_secrets("a letters-and-more b letters c") == "a *** b *** c"


def test_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short values, and those of other variables."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setenv("HOME_OF_TESTS", "/some/place")
    assert without_secrets("it is false that /some/place is secret") == "it is false that /some/place is secret"


@pytest.mark.parametrize("name", ["SO8T_SECRETS", "SO8T_CREDENTIALS", "SO8T__STORE__CREDENTIALS_FILE"])
def test_the_place_of_a_key_is_no_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message can say which file is missing."""
    monkeypatch.setenv(name, "/home/me/keys")
    assert without_secrets("no /home/me/keys/trainer.json") == "no /home/me/keys/trainer.json"


def test_a_secret_that_was_read_from_a_key_file(tmp_path: Path) -> None:
    """Once read, it is taken out like one of the environment; the access key, which only names a user, stays."""
    path = tmp_path / "keys.json"
    path.write_text('{"accessKey": "so8t-trainer", "secretKey": "from-a-file-1234"}')
    assert without_secrets("from-a-file-1234") == "from-a-file-1234"
    read_credentials(str(path))
    assert without_secrets("so8t-trainer sent from-a-file-1234.") == "so8t-trainer sent ***."


def test_an_error_of_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ends a command is redacted as a stage's log is, expected or not."""
    path = tmp_path / "keys.json"
    path.write_text('{"accessKey": "so8t-trainer", "secretKey": "from-a-file-5678"}')
    read_credentials(str(path))
    for error in (InputError("refused from-a-file-5678", where="a"), ValueError("from-a-file-5678")):

        def fail(*_: object, raised: Exception = error, **__: object) -> None:
            raise raised

        monkeypatch.setattr("so8t_shared.cli.doctor.examine", fail)
        assert main(["doctor"]) == (2 if isinstance(error, InputError) else 1)
        said = capsys.readouterr().err
        assert "***" in said
        assert "from-a-file-5678" not in said


def test_addresses_of_receivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole, and each part with which others could send there; a host, and an address without such a part, stay."""
    monkeypatch.setenv(
        "SO8T_NOTIFY",
        "mailto://me:pass%40word1@mail.example?to=a@b.example,c@d.example, discord://4174216298/JHMHI8qBe7bk2Zwv"
        "\tjson://127.0.0.1:9\nhttps://hooks.example/services/T0/B0",
    )
    text = (
        "me sent pass@word1 or pass%40word1 to mail.example, JHMHI8qBe7bk2Zwv, /services/T0/B0, json://127.0.0.1:9,"
        " discord://4174216298/JHMHI8qBe7bk2Zwv"
    )
    assert without_secrets(text) == "me sent *** or *** to mail.example, ***, ***, json://127.0.0.1:9, ***"


@pytest.mark.parametrize("url", ["mailto://a:b[c]d-word@host", "://", "json://", "x://[::1"])
def test_odd_addresses(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that nothing can read ends no message, and its password is not told."""
    monkeypatch.setenv("SO8T_NOTIFY", url)
    assert "b[c]d-word" not in without_secrets(f"plain words, {url}")
    assert without_secrets("plain words") == "plain words"


def test_a_token_in_place_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some services have their token there."""
    monkeypatch.setenv("SO8T_NOTIFY", "tgram://123456789:AAE_x/1/")
    assert without_secrets("bot 123456789:AAE_x") == "bot ***"
