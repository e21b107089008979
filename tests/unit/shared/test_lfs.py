"""Git LFS pointers are recognized."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_shared.lfs import refuse_pointer

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"0" * 64)


@pytest.mark.parametrize("content", [POINTER, POINTER.replace(b"github.com", b"example")])
def test_a_pointer(tmp_path: Path, content: bytes, said: Said) -> None:
    """Named with its place, and what fetches the file."""
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with said.raised(InputError, where=str(path)):
        refuse_pointer(path)


@pytest.mark.parametrize("content", [b"", b"version 1", b"x" + POINTER, POINTER + b"x" * 1024])
def test_a_file(tmp_path: Path, content: bytes) -> None:
    """Anything else is one, also a long text that begins like a pointer."""
    path = tmp_path / "README.md"
    path.write_bytes(content)
    refuse_pointer(path)
