"""The keyed hashes of the audit log, and where their keys come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.audit.logs import make_log

from so8t_gateway.audit.keys import AUDIT_KEY_VARIABLE, AuditKey, AuditKeys, add_key
from so8t_gateway.audit.log import AuditLog
from so8t_gateway.audit.requests import leave_request
from so8t_shared.client_tokens import add_token
from so8t_shared.errors import ConfigError
from so8t_shared.redaction import without_secrets

ONE, TWO = "a1" * 32, "b2" * 32


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(AUDIT_KEY_VARIABLE, raising=False)


def test_hashes_depend_on_key_purpose_and_text() -> None:
    """The same text gives the same hash, and nothing else does."""
    one, two = AuditKey(bytes.fromhex(ONE)), AuditKey(bytes.fromhex(TWO))
    hashes = [one.user("x"), two.user("x"), one.thinking("x"), one.user("X"), one.user("x\0"), one.user("")]
    assert len(set(hashes)) == len(hashes)
    assert one.user("x") == AuditKey(bytes.fromhex(ONE)).user("x")
    assert all(len(each) == 64 for each in hashes)
    assert one.user("\ud800") != one.user("?")  # JSON can hold half a surrogate pair
    assert one.user("é") != one.user("e\u0301")  # another spelling is another user


def test_a_key_is_never_shown(tmp_path: Path) -> None:
    """Neither its repr nor its id nor a log shows it."""
    path = tmp_path / "key"
    path.write_text(ONE)
    keys = AuditKeys.read(str(path))
    assert ONE not in repr(keys)
    assert "a1a1" not in repr(keys)
    assert len(keys.current.id) == 8
    assert keys.current.id not in ONE
    assert without_secrets(f"key {ONE}") == "key ***"


def test_a_new_key_goes_first_and_the_old_one_still_finds(tmp_path: Path) -> None:
    """After a rotation new lines have the new key's id; a user's hashes under all keys are known."""
    path = tmp_path / "keys" / "audit"
    old = add_key(path)
    new = add_key(path)
    keys = AuditKeys.read(str(path))
    assert (keys.current, keys.older) == (new, (old,))
    assert keys.users("u") == {old.user("u"), new.user("u")}
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_a_key_is_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even for a moment, and not after a crash at any moment: the file has its permissions before its name."""
    seen, replace = [], Path.replace

    def noting(self: Path, target: Path) -> Path:
        seen.append(oct(self.stat().st_mode & 0o777))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", noting)
    add_key(tmp_path / "audit.key")
    add_token(tmp_path / "tokens.json", "one", requests_per_minute=1, concurrency=1)
    leave_request(tmp_path, {"user"})
    log = AuditLog(make_log(tmp_path / "log", erased=""))
    log.erase({"u1"})
    log.close()
    assert len(seen) > 4
    assert set(seen) == {"0o600"}


def test_a_damaged_key_file_is_not_lost(tmp_path: Path) -> None:
    """A new key goes in front of whatever is there, and the fault is named when the keys are read."""
    path = tmp_path / "key"
    path.write_bytes(b"\xff")
    add_key(path)
    assert path.read_bytes().endswith(b"\n\xff")
    with pytest.raises(ConfigError):
        AuditKeys.read(str(path))


def test_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its keys are separated by blanks or commas; a key that is given twice counts once."""
    monkeypatch.setenv(AUDIT_KEY_VARIABLE, f" {TWO}, {ONE}\n{TWO}")
    keys = AuditKeys.read(str(tmp_path / "absent"))
    assert [keys.current.secret.hex(), *(key.secret.hex() for key in keys.older)] == [TWO, ONE]


@pytest.mark.parametrize("content", ["", "abc", f"{ONE}\n{TWO}x", ONE[:-1], "\xff"])
def test_what_is_no_key(tmp_path: Path, said: Said, content: str) -> None:
    """Exit code 2; the message holds nothing of the file."""
    path = tmp_path / "key"
    path.write_text(content, "latin-1")
    with said.raised(ConfigError, where=f"think.audit.key_file = {path}") as caught:
        AuditKeys.read(str(path))
    assert not content or content not in caught.value.args[0]


def test_no_key(tmp_path: Path, said: Said) -> None:
    """Exit code 2, and how to make one."""
    with said.raised(ConfigError):
        AuditKeys.read(str(tmp_path / "absent"))
