"""The file of clients' tokens."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.shared.processes import race

from so8t_shared.client_tokens import PREFIX, ClientTokens, add_token, hash_of, read_tokens, remove_token
from so8t_shared.errors import InputError, IntegrityError, NewerFormat

LIMITS = {"requests_per_minute": 60, "concurrency": 2}


def test_only_hashes_are_kept(tmp_path: Path) -> None:
    """The token has 256 bits and stands nowhere; only its owner may read the file."""
    path = tmp_path / "private" / "tokens.json"
    token = add_token(path, "one", **LIMITS)
    other = add_token(path, "two", **LIMITS)
    assert len(base64.urlsafe_b64decode(token.removeprefix(PREFIX) + "=")) == 32
    assert token not in path.read_text()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    tokens = read_tokens(path)
    assert [(each.name, each.sha256) for each in tokens.tokens] == [("one", hash_of(token)), ("two", hash_of(other))]
    assert tokens.owner_of(other) == tokens.tokens[1]
    assert {tokens.owner_of(text) for text in ("", token[:-1], hash_of(token), "\ud800", "x" * 10**6)} == {None}


def test_names_are_unique(tmp_path: Path, said: Said) -> None:
    """Two tokens of a name, or the removal of an unknown one: exit code 2, and the file stays."""
    path = tmp_path / "tokens.json"
    add_token(path, "one", **LIMITS)
    before = path.read_bytes()
    with said.raised(InputError, where=f"{path}: one"):
        add_token(path, "one", **LIMITS)
    with said.raised(InputError, where=f"{path}: two"):
        remove_token(path, "two")
    assert path.read_bytes() == before
    remove_token(path, "one")
    assert read_tokens(path).tokens == []
    add_token(path, "one", **LIMITS)


@pytest.mark.parametrize("name", ["", "a b", "-a", "a/b", "ä", "a" * 65, "a\n"])
def test_bad_names(tmp_path: Path, name: str) -> None:
    """Exit code 2, and no file."""
    with pytest.raises(InputError):
        add_token(tmp_path / "tokens.json", name, **LIMITS)
    assert not (tmp_path / "tokens.json").exists()


def test_a_file_that_cannot_be_used(tmp_path: Path, said: Said) -> None:
    """Missing, damaged, or of a newer version."""
    path = tmp_path / "tokens.json"
    with said.raised(InputError, where=str(path)):
        read_tokens(path)
    path.write_text("{")
    with said.raised(IntegrityError, where=str(path)):
        read_tokens(path)
    path.write_text(json.dumps({"schema_version": 99, "tokens": []}))
    with pytest.raises(NewerFormat):
        read_tokens(path)


def test_commands_at_the_same_time(tmp_path: Path) -> None:
    """None loses what another added."""
    path = tmp_path / "tokens.json"
    tokens = race(8, lambda number: add_token(path, f"client-{number}", **LIMITS))
    known = read_tokens(path)
    owners = [known.owner_of(token) for token in tokens]
    assert [owner.name for owner in owners if owner] == [f"client-{number}" for number in range(8)]
    assert ClientTokens.from_bytes(path.read_bytes(), "here") == known
