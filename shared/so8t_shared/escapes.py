"""The only place that makes foreign text safe to print and to log: file names, keys, labels, other programs' messages.

Consoles, errors, events and stored messages use it, so a caller need not think of it.
"""

from __future__ import annotations

import unicodedata


def visible(text: str) -> str:
    """Text from outside in one line, with an escape such as \\x1b for what is invisible or controls a terminal."""
    return _escaped(text, kept="")


def harmless(text: str) -> str:
    """Like `visible`, for text in several lines: line breaks and tabs stay."""
    return _escaped(text, kept="\n\t")


def _escaped(text: str, kept: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in kept or unicodedata.category(c) == "Zs" else _escape(c) for c in text)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()
