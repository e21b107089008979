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
