"""Is a row marked as not safe for work? Data sets say so in many words; one that is in neither list is refused.

Guessing would cost rows or safety: an NSFW row labeled ALLOW is not trained on, so a word for "harmless" that is taken
for NSFW would empty that class, and one for "NSFW" that is taken for harmless would teach to allow it.
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
    """Whether the row is marked so; a missing mark is none.

    Raises:
        InputError: the mark is a word or number that says neither.
    """
    mark = re.sub(r"[\s_-]+", " ", fields.key(FIELD)).strip().lower()
    if mark not in _NSFW | _SAFE:
        raise fields.error(
            f"It is not known whether {FIELD} {mark[:40]!r} means NSFW.", remedy="write nsfw or safe, or true or false"
        )
    return mark in _NSFW
