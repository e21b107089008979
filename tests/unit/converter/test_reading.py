"""Small files of a model folder and what is said when one is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from so8t_converter.reading import read_json, read_json_if_there
from so8t_shared.errors import InputError


def test_object_is_read(tmp_path: Path) -> None:
    """A JSON object comes back as it is, Japanese text included."""
    path = tmp_path / "config.json"
    path.write_text('{"名前": 1}', encoding="utf-8")
    assert read_json(path) == {"名前": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.example/spec/v1\noid sha256:00\nsize 9\n", "Git LFS pointer"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{\n"a": 1,\n}', "line 3"),
        (b"[1, 2]", "list where an object is needed"),
    ],
)
def test_wrong_content_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    """A pointer, other encodings, broken JSON and other values each get their own message."""
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        read_json(path)
    assert message in str(raised.value)
    assert str(path) in raised.value.where
    assert raised.value.remedy


def test_missing_file(tmp_path: Path) -> None:
    """A missing file is an error, or an empty object where it may be missing."""
    with pytest.raises(InputError, match=r"no config\.json"):
        read_json(tmp_path / "config.json")
    assert read_json_if_there(tmp_path / "config.json") == {}
