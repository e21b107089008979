"""How files are packed, and what a bundle may hold."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from so8t_shared.bundles.contents import FILES, document, is_expected, packed, packed_name, unpacked
from so8t_shared.errors import IntegrityError
from so8t_shared.stages import BY_NAME


@given(st.binary(max_size=200), st.sampled_from(["evaluate/samples.jsonl", "evaluate/asking.json"]))
def test_unpacking_gives_what_was_packed(data: bytes, name: str) -> None:
    """Lines are compressed, documents are not."""
    stored = packed(name, data)
    assert unpacked(packed_name(name), stored, len(data)) == data
    assert (gzip.decompress(stored) if name.endswith(".jsonl") else stored) == data


def test_a_bomb_is_not_unpacked() -> None:
    """One byte more than was announced ends it: 1 GB would take seconds."""
    bomb = gzip.compress(bytes(1 << 26), mtime=0)
    with pytest.raises(IntegrityError) as caught:
        unpacked("evaluate/samples.jsonl.gz", bomb, 100)
    assert caught.value.where == "evaluate/samples.jsonl.gz"


_GZIP = gzip.compress(b"abc", mtime=0)  # with the time in it, each worker would name the test otherwise


@pytest.mark.parametrize("data", [b"", b"no gzip", _GZIP[:-4], _GZIP[:10]])
def test_a_damaged_file(data: bytes) -> None:
    """Cut or not compressed at all."""
    with pytest.raises(IntegrityError):
        unpacked("a.jsonl.gz", data, 3)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"[" * 100_000, b'{"a": ' * 5_000, b"9" * 9_000, b"\xff"])
def test_no_document(data: bytes) -> None:
    """Whatever is wrong with it, it is an integrity error at its place."""
    with pytest.raises(IntegrityError) as caught:
        document(data, "bundle.json")
    assert caught.value.where == "bundle.json"


def test_every_stage_is_packed() -> None:
    """And whatever conclude reads of another stage, or a bundle could not be computed again."""
    assert list(FILES) == list(BY_NAME)
    for stage, prefixes in BY_NAME["conclude"].needs.items():
        assert all(prefix.startswith(FILES[stage]) for prefix in prefixes)


@pytest.mark.parametrize(
    "name",
    ["evaluate/samples.jsonl", "train/merged/model.safetensors", "evaluate", "else/a.json", "a.json", "words.json"],
)
def test_files_that_no_bundle_has(name: str) -> None:
    """Lines that are not compressed, weights, folders of no stage."""
    assert not is_expected(name, texts=True)
    assert is_expected("words.json", texts=False)
