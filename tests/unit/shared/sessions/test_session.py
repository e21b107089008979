"""Sessions: processes that share nothing but a store and a configuration agree on one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.material import listing, make_config
from tests.unit.shared.processes import exit_code, kill_self, race, start

from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, InputError, IntegrityError, NewerFormat
from so8t_shared.sessions.session import (
    SessionPointer,
    config_digest,
    find_session,
    open_session,
    read_record,
    session_ids,
    session_names,
)
from so8t_shared.sessions.uses import Uses
from so8t_shared.store.local import LocalStore
from so8t_shared.store.testing.faulty import Fault, FaultyStore


def _pointer(store: LocalStore) -> str:
    [key] = store.list("sessions/by-config")
    return key


def _pointer_of(store: LocalStore) -> str:
    [key] = [key for key in store.list("sessions/by-config") if not key.endswith("session.json")]
    return key


def test_open_makes_one_and_finds_it_again(store: LocalStore, config: Config) -> None:
    """The first opening writes session.json and the pointer; the second finds them and changes nothing."""
    assert find_session(store, config) is None
    session = open_session(store, config)
    assert re.fullmatch(r"\d{8}_\d{6}", session.session_id)
    before = listing(Path(store.location))
    assert sorted(before) == [f"sessions/{session.session_id}/session.json", _pointer(store)]
    assert open_session(store, config) == session
    assert find_session(store, config) == session.session_id
    assert listing(Path(store.location)) == before


def test_the_record_holds_the_configuration(store: LocalStore, config: Config) -> None:
    """session.json has the whole configuration, when and where it was opened, and by which versions."""
    record = read_record(store, open_session(store, config).session_id)
    assert Config.model_validate(record.config) == config
    assert record.config_digest == config_digest(config)
    assert record.created
    assert record.host
    assert set(record.versions) == {"so8t-ab", "python"}


def test_sixteen_processes_agree(store: LocalStore, config: Config) -> None:
    """Opened by sixteen processes at once, a configuration has one session, and no other is left."""
    answers = race(16, lambda _: open_session(LocalStore(Path(store.location)), config).session_id)
    assert len(set(answers)) == 1
    assert session_ids(store) == [answers[0]]


@pytest.mark.parametrize("spoiled", ["pointer", "record"])
def test_sixteen_processes_agree_after_damage(store: LocalStore, config: Config, spoiled: str) -> None:
    """With a damaged pointer or record, too, sixteen processes end with one and the same fresh session."""
    old = open_session(store, config).session_id
    key = _pointer(store) if spoiled == "pointer" else f"sessions/{old}/session.json"
    store.put_bytes(key, b'{"cut')
    answers = race(16, lambda _: open_session(LocalStore(Path(store.location)), config).session_id)
    assert len(set(answers)) == 1
    assert answers[0] != old
    assert open_session(store, config).session_id == answers[0]


def test_new_session(store: LocalStore, config: Config) -> None:
    """--new-session starts afresh once; afterwards that one is the configuration's session."""
    first = open_session(store, config)
    second = open_session(store, config, new=True)
    assert second.session_id != first.session_id
    assert open_session(store, config) == second
    assert set(session_ids(store)) == {first.session_id, second.session_id}


def test_new_sessions_at_once(store: LocalStore, config: Config) -> None:
    """Of several --new-session at the same moment all end in sessions that exist, and one is current."""
    open_session(store, config)
    answers = race(6, lambda _: open_session(LocalStore(Path(store.location)), config, new=True).session_id)
    assert open_session(store, config).session_id in answers
    assert set(answers) <= set(session_ids(store))


@pytest.mark.parametrize(
    "places",
    [
        {"output_base_dir": "elsewhere"},
        {"checkpoint_dir": "elsewhere"},
        {"device": "cuda"},
        {"ollama": {"host_name": "gpu-box"}},
        {"execution": {"kind": "ray", "ray": {"evaluators": 8}}},
    ],
    ids=lambda places: str(next(iter(places))),
)
def test_places_do_not_matter(store: LocalStore, tmp_path: Path, places: dict[str, Any]) -> None:
    """Where a host keeps its files and which device it has does not make another session."""
    assert (
        open_session(store, make_config(tmp_path)).session_id
        == open_session(store, make_config(tmp_path, **places)).session_id
    )


@pytest.mark.parametrize(
    "change",
    [{"training": {"seed": 1}}, {"visualization": {"dpi": 80}}, {"model_a": {"base_model": "m", "description": "d"}}],
)
def test_anything_else_matters(store: LocalStore, tmp_path: Path, change: dict[str, Any]) -> None:
    """Another configuration has a session of its own, also when the names collide within a second."""
    sessions = [open_session(store, make_config(tmp_path, **c, session_id_format="same")) for c in ({}, change)]
    assert [s.session_id for s in sessions] == ["same", "same_2"]
    assert open_session(store, make_config(tmp_path, session_id_format="same")).session_id == "same"


def test_a_snapshot_is_the_opened_configuration(store: LocalStore, tmp_path: Path) -> None:
    """A session found by another host has that host's places, not those of the one that opened it."""
    open_session(store, make_config(tmp_path))
    here = make_config(tmp_path, output_base_dir="here")
    assert open_session(store, here).config.output_base_dir == "here"


@pytest.mark.parametrize("pattern", ["", "../up", "a/b", "with space", "%Y:%m", "x" * 101, ".hidden", "名前"])
def test_unusable_names_are_refused(store: LocalStore, tmp_path: Path, pattern: str) -> None:
    """A pattern that gives no safe name is a ConfigError which shows the key; nothing is written."""
    with pytest.raises(ConfigError) as caught:
        open_session(store, make_config(tmp_path, session_id_format=pattern))
    assert "session_id_format" in caught.value.where
    assert list(store.list("sessions")) == []


def test_a_newer_pointer_is_not_replaced(store: LocalStore, config: Config) -> None:
    """The session of a newer program is not lost to an older one."""
    open_session(store, config)
    pointer = _pointer(store)
    newer = json.dumps({**json.loads(store.get_bytes(pointer) or b""), "schema_version": 2}).encode()
    store.put_bytes(pointer, newer)
    with pytest.raises(NewerFormat):
        open_session(store, config)
    assert store.get_bytes(pointer) == newer


@pytest.mark.parametrize("before", ["/by-config/", "/session.json"])
def test_killed_while_opening(store: LocalStore, config: Config, before: str) -> None:
    """Killed before the pointer or between it and the record, the next process opens the session all the same."""
    dying = FaultyStore(store, [Fault("put_if_absent", kill_self, key=f"*{before}*")])
    assert exit_code(start(lambda: open_session(dying, config))) == -9
    named = find_session(store, config)
    session = open_session(store, config)
    assert find_session(store, config) == session.session_id
    assert named in {None, session.session_id}
    assert session_ids(store) == [session.session_id]


def test_nothing_is_deleted(store: LocalStore, config: Config) -> None:
    """Racers, damage and --new-session need no right to delete."""
    keeping = FaultyStore(store, [Fault("delete", AssertionError("deleted"))])
    race(8, lambda _: open_session(keeping, config).session_id)
    keeping.put_bytes(_pointer(store), b"{")
    open_session(keeping, config)
    open_session(keeping, config, new=True)


def test_two_configurations_that_chose_one_name_part(store: LocalStore, tmp_path: Path) -> None:
    """Where both pointers name one session, its record decides whose it is; the other one gets the next name."""
    mine = make_config(tmp_path, session_id_format="same")
    theirs = make_config(tmp_path, session_id_format="same", training={"seed": 5})
    open_session(store, theirs)
    pointer = store.get_bytes(_pointer(store)) or b""
    store.put_bytes(f"sessions/by-config/{config_digest(mine)}.json", pointer)
    answers = race(8, lambda _: open_session(LocalStore(Path(store.location)), mine).session_id)
    assert set(answers) == {"same_2"}
    assert open_session(store, theirs).session_id == "same"


@pytest.mark.parametrize("name", ["by-config", "By-Config"])
def test_the_pointers_folder_is_no_session_name(store: LocalStore, tmp_path: Path, said: Said, name: str) -> None:
    """A session cannot be named like the folder of the pointers, which gc does not take for a session."""
    with said.raised(ConfigError, where=f"session_id_format = {name!r}"):
        open_session(store, make_config(tmp_path, session_id_format=name))
    assert listing(Path(store.location)) == {}


def test_a_session_in_the_pointers_folder_is_found(store: LocalStore, config: Config) -> None:
    """A session that an older version named like the folder of the pointers is joined, and its artifacts are kept."""
    first = open_session(store, config).session_id
    record = read_record(store, first).model_copy(update={"session_id": "by-config"})
    store.put_bytes("sessions/by-config/session.json", record.to_bytes())
    store.put_bytes(_pointer_of(store), SessionPointer(session_id="by-config").to_bytes())
    assert open_session(store, config).session_id == "by-config"
    assert session_names(store) == {first, "by-config"}
    assert Uses(store).newest(2) == {first, "by-config"}


@pytest.mark.parametrize("name", ["nope", "", "../escape", "by-config"])
def test_unknown_session(store: LocalStore, config: Config, name: str) -> None:
    """A name that is no session's is an InputError that lists some which are."""
    known = open_session(store, config).session_id
    with pytest.raises(InputError) as caught:
        read_record(store, name)
    assert known in caught.value.remedy


def test_session_ids_are_in_order_and_skip_damage(store: LocalStore, tmp_path: Path) -> None:
    """Oldest first; a damaged session.json is left out, not an end."""
    names = [open_session(store, make_config(tmp_path, session_id_format=f"s{i}")).session_id for i in range(3)]
    for index, name in enumerate(reversed(names)):
        record = read_record(store, name).model_copy(update={"created": f"2026-01-0{index + 1}T00:00:00+00:00"})
        store.put_bytes(f"sessions/{name}/session.json", record.to_bytes())
    store.put_bytes("sessions/bad/session.json", b"{")
    store.put_bytes("sessions/newer/session.json", b'{"schema_version": 99}')
    assert session_ids(store) == list(reversed(names))


def test_names_are_those_of_all_sessions(store: LocalStore, config: Config) -> None:
    """Also of a session whose record is damaged or lost; the pointers are no session."""
    known = open_session(store, config).session_id
    store.put_bytes("sessions/bad/session.json", b"{")
    store.put_bytes("sessions/lost/train/log.jsonl", b"")
    assert session_names(store) == {known, "bad", "lost"}


def test_damaged_pointer_when_only_looking(store: LocalStore, config: Config) -> None:
    """`status` and `logs`, which make nothing, say that the pointer is damaged."""
    open_session(store, config)
    store.put_bytes(_pointer(store), b"{")
    with pytest.raises(IntegrityError):
        find_session(store, config)
