"""Credentials of this process are taken out of a text."""

from __future__ import annotations

import pytest

from so8t_shared.redaction import without_secrets


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
