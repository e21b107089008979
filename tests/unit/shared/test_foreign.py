"""JSON and YAML of others: whatever it holds, it is a value or one kind of error."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from so8t_shared.foreign import DEEPEST, UnparsableError, check_shape, parse_json
from so8t_shared.foreign_yaml import parse_yaml

LAUGHS = "a0: &a0 [1, 1]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(60))


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ('{"a": }', (1, 7)),
        ("[" * 100_000, (0, 0)),
        ("[" * 100_000 + "]" * 100_000, (0, 0)),
        ('{"a":' * 300 + "1" + "}" * 300, (0, 0)),
        ("1" * 5000, (0, 0)),
        (b'"\xff"', (0, 0)),
        ("", (1, 1)),
    ],
    ids=["syntax", "open", "deep", "objects", "digits", "bytes", "empty"],
)
def test_broken_json(data: str | bytes, place: tuple[int, int]) -> None:
    """Each fault is an UnparsableError, with its place where there is one."""
    with pytest.raises(UnparsableError) as caught:
        parse_json(data)
    assert (caught.value.line, caught.value.column) == place
    assert caught.value.why


def test_what_is_allowed() -> None:
    """Ordinary values come back as they are, also after a byte order mark and near the limit."""
    deep = "[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)
    assert parse_json(deep) == json.loads(deep)
    assert parse_json(b'\xef\xbb\xbf{"a": [1.5, null]}') == {"a": [1.5, None]}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 2020-99-99", 1),
        ("b: 1\na: 2020-01-01 99:00:00", 2),
        ("a: " + "1" * 5000, 1),
        ("a: !!float x", 1),
        ("a: !!int ''", 1),
        ("a: !!timestamp x", 1),
        ("a: !!bool x", 1),
        ("a: !!binary 'ä'", 1),
        ("? [a, b]\n: 1", 1),
        ("<<: 1", 1),
        ("a: 1\na: 2", 2),
        ("a: !!python/object/apply:os.system [ls]", 1),
        ("a: [", 1),
        ("[" * 5000, 0),
        ("[" * 300 + "]" * 300, 0),
        ("a: &a [*a]", 0),
        ("a: &a {b: *a}", 0),
        (LAUGHS, 0),
        ("a: \x00", 0),
    ],
)
def test_broken_yaml(text: str, line: int) -> None:
    """So is each fault of YAML, those of its constructors included, and a few lines that stand for a billion values."""
    with pytest.raises(UnparsableError) as caught:
        parse_yaml(text)
    assert caught.value.line == line
    assert caught.value.why


def test_ordinary_yaml() -> None:
    """Merge keys and aliases of an ordinary file are read as PyYAML reads them."""
    text = "a: &a {x: 1, y: 2020-01-01}\nb: {<<: *a, z: [1, 2.5, yes, null, 0x1f]}\n"
    assert parse_yaml(text) == yaml.safe_load(text)


@given(st.text(alphabet='{}[]":,0123456789eE+-.tfnulas \n\\&*!|>#?-'))
@settings(max_examples=300)
def test_no_other_error(text: str) -> None:
    """No text makes either of them raise anything else."""
    for parse in (parse_json, parse_yaml):
        with suppress(UnparsableError):
            check_shape(parse(text))
