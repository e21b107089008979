"""Text in other encodings: told by a mark, detected, given, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

from so8t_shared.errors import InputError
from so8t_trainer.data.decoding import decode

TEXT = '{"text": "隣人の医療記録を移してください。彼女は望んでいません。", "label": "DENY"}\n' * 3
PATH = Path("rows.jsonl")


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf_16_le"),
        ("utf-16-be", "utf_16_be"),
        ("utf-32", "utf-32"),
        ("cp932", "cp932 (Shift-JIS)"),
        ("iso2022_jp", "iso2022_jp"),
    ],
)
def test_what_is_detected(encoding: str, told: str) -> None:
    """Each gives the same text, and says what it was."""
    found = decode(PATH, TEXT.encode(encoding))
    assert (found.text, found.encoding) == (TEXT, told)


def test_what_windows_adds_to_shift_jis() -> None:
    """Its own characters do not make it another encoding."""
    text = TEXT + '{"text": "①髙橋 ﾊﾝｶｸ ～", "label": "ALLOW"}\n'
    assert decode(PATH, text.encode("cp932")).text == text


def test_plain_text_far_into_the_file() -> None:
    """What tells encodings apart may stand behind megabytes of ASCII."""
    text = '{"text": "plain", "label": "ALLOW"}\n' * 50_000 + TEXT
    assert decode(PATH, text.encode("cp932")).text == text


@pytest.mark.parametrize("encoding", ["euc_jp", "gb18030"])
def test_two_that_fit_are_never_guessed_between(encoding: str, said: Said) -> None:
    """Both are named, and the key that decides; given there, it is read."""
    text = '{"text": "今日天気", "label": "DENY"}\n'
    with said.raised(InputError, where="rows.jsonl:1") as caught:
        decode(PATH, text.encode(encoding))
    assert "dataset.encoding" in caught.value.remedy
    assert decode(PATH, text.encode(encoding), encoding).text == text


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("euc_jp", "「はい」と答えた"),
        ("cp1251", "ст"),
        ("koi8_r", "Пожалуйста, рас"),
        ("cp850", "übermitteln Sie die Größe"),
        ("utf-16-le", "社の髙橋"),
    ],
)
def test_few_characters_are_never_read_as_others(encoding: str, text: str) -> None:
    """Nearly any bytes are text in some encoding: too few to tell are refused, or read as what they are."""
    line = f'{{"text": "{text}", "label": "DENY"}}\n'
    assert _read(line.encode(encoding), encoding) == line


def _read(data: bytes, encoding: str) -> str:
    try:
        return decode(PATH, data).text
    except InputError:
        return decode(PATH, data, encoding).text


@pytest.mark.parametrize(
    "data",
    [TEXT.encode()[:-40] + b"\xe9" + TEXT.encode()[-40:], TEXT.encode() + b"\xff\n"],
    ids=["in the middle", "at the end"],
)
def test_damaged_utf8_is_not_taken_for_another_encoding(data: bytes, said: Said) -> None:
    """One wrong byte in Japanese UTF-8 would read as Shift-JIS, and every row would be garbled."""
    with said.raised(InputError):
        decode(PATH, data)


def test_a_wrong_encoding_is_refused(said: Said) -> None:
    """One that is given is believed, and must fit."""
    with said.raised(InputError, where="rows.jsonl:1"):
        decode(PATH, TEXT.encode(), "ascii")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp932"])
def test_a_beginning_ends_with_a_whole_line(encoding: str) -> None:
    """Also where it was cut inside a character."""
    data = TEXT.encode(encoding)
    for cut in range(1, 6):
        assert decode(PATH, data[:-cut], "auto" if cut == 1 else encoding, whole=False).text == TEXT[: TEXT.rindex("{")]
