"""Canonical JSON: one value, one text."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from so8t_shared.canonical import canonical_json, digest

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_the_exact_bytes() -> None:
    """Sorted keys, no white space, UTF-8 as it is."""
    assert canonical_json({"b": [1, 2.5, None], "a": {"ü": True}}) == '{"a":{"ü":true},"b":[1,2.5,null]}'.encode()


def test_order_of_keys_does_not_matter() -> None:
    """Two dictionaries with the same content have the same digest, at any depth; lists keep their order."""
    assert digest({"a": {"x": 1, "y": 2}, "b": 3}) == digest({"b": 3, "a": {"y": 2, "x": 1}})
    assert digest([1, 2]) != digest([2, 1])
    assert digest({"a": None}) != digest({})


def test_digest_is_sha256() -> None:
    """The digest is the sha256 of the canonical bytes."""
    assert digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


@given(_JSON)
@settings(max_examples=60)
def test_it_is_json(value: object) -> None:
    """Every value comes back from its canonical bytes, and gives the same bytes again."""
    data = canonical_json(value)
    assert json.loads(data) == value
    assert canonical_json(json.loads(data)) == data


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    """NaN and infinities have no place in a key."""
    with pytest.raises(ValueError, match="JSON"):  # the words of Python's own json
        canonical_json({"a": value})


def test_a_file_name_that_is_not_text() -> None:
    """A name from a disk that is no UTF-8 can be part of a key, and comes back."""
    name = b"r\xe9sum\xe9".decode("utf-8", "surrogateescape")
    assert json.loads(canonical_json([name])) == [name]
