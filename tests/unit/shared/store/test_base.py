"""Keys: what may name an object."""

from __future__ import annotations

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.store.base import check_key


@pytest.mark.parametrize(
    "key", ["a", "a/b.json", "artifacts/convert-a/0f/files/merged/config.json", "..a/b..", "モデル/重み"]
)
def test_ordinary_keys_pass(key: str) -> None:
    """A safe key comes back unchanged."""
    assert check_key(key) == key


@pytest.mark.parametrize("key", ["../x", "x/../../y", "/abs", "a//b", "a/./b", "a\\b", "c:d", "a|b", 'a"b', "tab\tx"])
def test_unsafe_keys_are_named(key: str, said: Said) -> None:
    """A key that could lead outside, or that some disk refuses, is an InputError which shows it."""
    with said.raised(InputError, where="a path in a manifest, or a session name") as caught:
        check_key(key)
    assert caught.value.exit_code == 2
