"""What is kept of a model's words: redacted as training data is, and not too long."""

from __future__ import annotations

import hashlib
import re

from so8t_shared.personal import redacted
from so8t_shared.results.answers import CUT_MARK, FINAL_KEPT, TEXT_KEPT

_LOOKED_AT = 4 * TEXT_KEPT
"""Text examined for what must be redacted: far more than is kept, so that a key at the end of it is seen whole."""

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Not valid in UTF-8, so in no file."""


def kept_text(text: str) -> str:
    """The text without personal data and secrets, at most TEXT_KEPT characters; CUT_MARK ends a longer one."""
    shown = redacted(_SURROGATE.sub("\ufffd", text[:_LOOKED_AT]))
    if len(text) > _LOOKED_AT:
        shown = shown[: -(_LOOKED_AT - TEXT_KEPT)]  # near the end, half a key may have escaped
    elif len(shown) <= TEXT_KEPT:
        return shown
    return shown[: TEXT_KEPT - len(CUT_MARK)] + CUT_MARK


def kept_final(final: str) -> str:
    """The text inside `<final>`, redacted and cut."""
    return kept_text(final)[:FINAL_KEPT]


def hash_of(text: str) -> str:
    """sha256 of a text in hex; of any text, also one that is not valid Unicode."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
