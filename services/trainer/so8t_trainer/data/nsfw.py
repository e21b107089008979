"""Tells whether a row is marked as not safe for work. Data sets use many words; a word in neither list is rejected.

Guessing would cost rows or safety: NSFW rows labeled ALLOW are not trained on, so misreading "harmless" as NSFW would
empty that class, and misreading "NSFW" as harmless would teach the model to allow it.
"""

from __future__ import annotations

import re

from so8t_trainer.data.fields import Fields

FIELD = "nsfw_label"

_NSFW = {
    *("1", "1.0", "true", "yes", "y", "nsfw", "nsfw soft", "nsfw hard", "nsfw block", "not safe for work", "unsafe"),
    *("adult", "erotic", "erotica", "explicit", "gore", "hentai", "nude", "nudity", "obscene", "porn", "pornographic"),
    *("pornography", "sex", "sexual", "sexy"),
}
_SAFE = {
    *("", "0", "0.0", "false", "no", "n", "none", "null", "nil", "na", "n/a", "sfw", "safe", "safe for work"),
    *("not nsfw", "non nsfw", "no nsfw", "nonnsfw", "notnsfw", "clean", "neutral", "normal", "benign", "general"),
    *("harmless", "ok", "okay"),
}


def is_nsfw(fields: Fields) -> bool:
    """Whether the row is marked NSFW; a missing mark means it is not.

    Raises:
        InputError: the mark is a word or number in neither list.
    """
    if FIELD not in fields:
        return False
    mark = re.sub(r"[\s_-]+", " ", fields.key(FIELD)).strip().lower()
    if mark not in _NSFW | _SAFE:
        raise fields.error(f"Unknown {FIELD} {mark[:40]!r}.", remedy="write nsfw or safe, or true or false")
    return mark in _NSFW
