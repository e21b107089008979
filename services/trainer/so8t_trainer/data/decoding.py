"""Text of files in any encoding: detected, told, and never guessed between two that both fit."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.errors import InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMES = {"utf-8-sig": "utf-8", "cp932": "cp932 (Shift-JIS)"}
_USUAL = {
    **dict.fromkeys(("shift_jis", "shift_jis_2004", "shift_jisx0213"), "cp932"),
    **dict.fromkeys(("euc_jis_2004", "euc_jisx0213"), "euc_jp"),
}
"""What programs write where they say Shift-JIS and EUC-JP: the others are relatives that hardly any program writes."""
_COMMON = ("cp932", "euc_jp", "utf_16_le", "utf_16_be", "cp1252", "gb18030", "big5", "cp949")
"""Named first where several fit."""
_SAMPLE_BYTES = 1 << 16
_ENOUGH = 16
"""Different characters beyond ASCII from which charset-normalizer tells languages apart; fewer fit by chance."""
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_RIVAL = 0.1
"""An encoding whose text is at most so much messier (charset-normalizer's measure, 0..1) than the best fits, too."""


@dataclass(frozen=True)
class Decoded:
    """A file's text and its encoding, in words."""

    text: str
    encoding: str


def decode(path: Path, data: bytes, encoding: str = "auto", *, whole: bool = True) -> Decoded:
    """Return the text of a file; unless `whole`, of its beginning up to the last complete line.

    Raises:
        InputError: the bytes are not text of this encoding, or no encoding or more than one fits.
    """
    chosen = _told(data) or _detected(path, data) if encoding == "auto" else encoding
    try:
        text = codecs.getincrementaldecoder(chosen)("strict").decode(data, final=whole)
    except UnicodeDecodeError as error:
        raise _undecodable(path, data, error) from error
    text = text.removeprefix("\ufeff")
    return Decoded(text if whole else text[: text.rfind("\n") + 1], _NAMES.get(chosen, chosen))


def _told(data: bytes) -> str | None:
    """Return the encoding that a mark or the bytes themselves tell: whatever is valid UTF-8 is."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return name
    if b"\0" in data[:_SAMPLE_BYTES] or b"\x1b$" in data[:_SAMPLE_BYTES]:
        return None  # UTF-16 without a mark and ISO-2022-JP consist of ASCII bytes
    try:
        codecs.getincrementaldecoder("utf-8")("strict").decode(data)
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _detected(path: Path, data: bytes) -> str:
    from charset_normalizer import from_bytes

    if b"\0" not in data and _is_damaged_utf8(data):
        return "utf-8"  # decoding it finds the damage
    texts: dict[str, tuple[float, str]] = {}
    for match in from_bytes(_sample(data)):
        name, text = _usual(data, match.encoding)
        if text is not None and "\0" not in text and (text not in texts or match.chaos < texts[text][0]):
            texts[text] = (match.chaos, name)
    found = sorted(texts.values())
    fitting = [name for mess, name in found if mess <= found[0][0] + _RIVAL]
    if len(fitting) == 1:
        fitting += _by_chance(data, next(text for text, (_, name) in texts.items() if name == fitting[0]))
    if len(fitting) == 1:
        return fitting[0]
    fault, line = _first_fault(data)
    first = sorted(fitting, key=lambda name: _COMMON.index(name) if name in _COMMON else len(_COMMON))
    why = f"more than one encoding fits: {' and '.join(first[:2])}" if first else "no encoding is found that fits"
    raise InputError(
        f"{fault}, and {why}.",
        where=f"{path}:{line}",
        remedy="say in dataset.encoding which one it is, or save the file as UTF-8",
    )


def _by_chance(data: bytes, text: str) -> list[str]:
    """Return the common encodings that read something else from data with too few characters to tell."""
    if b"\0" in data or len({c for c in text if not c.isascii()}) >= _ENOUGH:
        return []
    others = {name: _tried(data, name) for name in _COMMON if not name.startswith("utf")}  # UTF-16 fits any bytes
    return [name for name, other in others.items() if other not in (None, text) and not _CONTROLS.search(other or "")]


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether by far most characters beyond ASCII are valid UTF-8, which text of another encoding never is."""
    text = data.decode("utf-8", "replace")
    return 3 * text.count("\ufffd") < sum(not c.isascii() for c in text)


def _first_fault(data: bytes) -> tuple[str, int]:
    """Return what is not UTF-8, and the number of its line."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not(data, error), data.count(b"\n", 0, error.start) + 1
    return "The text has bytes of 0 or escapes, so it is not UTF-8", 1


def _sample(data: bytes) -> bytes:
    """Return a part of the data that tells encodings apart: lines that are not ASCII."""
    if b"\0" in data[:_SAMPLE_BYTES]:
        return data[: min(len(data), _SAMPLE_BYTES) // 4 * 4]  # whole characters
    sample, size = [], 0
    for line in data.split(b"\n"):
        if not line.isascii() or b"\x1b" in line:
            sample.append(line)
            size += len(line)
        if size > _SAMPLE_BYTES:
            break
    return b"\n".join(sample)


def _usual(data: bytes, encoding: str) -> tuple[str, str | None]:
    """Return the usual relative of an encoding and the text, or the encoding itself if that cannot decode the data."""
    usual = _USUAL.get(encoding, encoding)
    text = _tried(data, usual)
    return (usual, text) if text is not None else (encoding, _tried(data, encoding))


def _tried(data: bytes, encoding: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(encoding)("strict").decode(data)
    except (UnicodeError, LookupError):
        return None


def _undecodable(path: Path, data: bytes, error: UnicodeDecodeError) -> InputError:
    line = data.count(b"\n", 0, error.start) + 1
    return InputError(
        f"{_not(data, error)}.",
        where=f"{path}:{line}",
        remedy="save the file as UTF-8, or set dataset.encoding",
    )


def _not(data: bytes, error: UnicodeDecodeError) -> str:
    name = "UTF-8" if error.encoding == "utf-8" else error.encoding
    return f"Byte 0x{data[error.start]:02x} at offset {error.start} is not {name}"
