"""Detects personal data and secrets in a text. Only the kind that was found is ever reported."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Any

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}", re.IGNORECASE)
_MY_NUMBER = re.compile(r"(?<![\d-])(?<!\d )\d{4}[ -]?\d{4}[ -]?\d{4}(?![ -]?\d)")
_CARD = re.compile(r"(?<![\d-])(?:\d[ -]?){12,18}\d(?![\d-])")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_IBAN = re.compile(r"(?<![A-Z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?(?![A-Z0-9])")
_ASSIGNED = re.compile(
    r"(?:pass(?:word|wd|phrase)|api[ _-]?key|token|secret|パスワード)[\"']?(?:\s*[:=は]|\s+is\s)\s*"
    r"(?=[!-~]*\d)[!-~]{6,}",
    re.IGNORECASE,
)
"""A secret as people write it, without quotes: `DB_PASSWORD=Xy7...`, "the password is hunter2!x". It must contain a
digit, because "the token is rotated" reveals nothing."""
_ISSUED = re.compile(r"(?<![\w-])(?:hf_[A-Za-z0-9]{30,}|sk-(?:[a-z0-9]+-)?[A-Za-z0-9_-]{20,})")
"""Hugging Face keys, which detect-secrets does not know, and OpenAI keys, whose present form it does not know."""
_NO_SECRET = {"IPPublicDetector"}
"""detect-secrets plugins that look for something else: an IP address is not a key."""


def personal_data(text: str) -> str | None:
    """Return the kind of personal data in `text` (e-mail address, phone number, My Number, ...), or None."""
    text = unicodedata.normalize("NFKC", text)
    return next(_kinds(text), None)


def _kinds(text: str) -> Iterator[str]:
    from stdnum import iban, luhn
    from stdnum.jp import in_ as my_number
    from stdnum.us import ssn

    if _EMAIL.search(text):
        yield "e-mail address"
    if not any(character.isdigit() for character in text):
        return
    if any(my_number.is_valid(found) for found in _MY_NUMBER.findall(text)):
        yield "My Number"
    if any(luhn.is_valid(re.sub(r"\D", "", found)) for found in _CARD.findall(text)):
        yield "card number"
    if any(ssn.is_valid(found) for found in _SSN.findall(text)):
        yield "social security number"
    if any(iban.is_valid(found) for found in _IBAN.findall(text)):
        yield "bank account"
    if _has_phone_number(text):
        yield "phone number"


def _has_phone_number(text: str) -> bool:
    """Whether the text has a valid number of Japan or the United States, or an international one (+44 ...)."""
    import phonenumbers

    matchers = (
        phonenumbers.PhoneNumberMatcher(text, "JP"),
        # most ten-digit numbers are valid in the United States, so any grouping must be the usual one there
        phonenumbers.PhoneNumberMatcher(text, "US", leniency=phonenumbers.Leniency.STRICT_GROUPING),
    )
    return any(matcher.has_next() for matcher in matchers)


def holds_secret(text: str) -> bool:
    """Whether `text` contains a key, token or password known to detect-secrets or the patterns above.

    The plugins are called directly, because the scanner also obeys "allowlist" comments in the text,
    drops the entropy limit for single lines, and may ask the issuing service whether a key is live.
    """
    text = unicodedata.normalize("NFKC", text)
    if _ASSIGNED.search(text) or _ISSUED.search(text):
        return True
    lines = text.splitlines()
    return any(
        plugin.analyze_line(filename="row", line=line, line_number=number)
        for number, line in enumerate(lines, start=1)
        for plugin in _plugins()
    )


@cache
def _plugins() -> tuple[Any, ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

    found = {plugin.__name__: plugin for plugin in get_mapping_from_secret_type_to_class().values()}
    return tuple(found[name]() for name in sorted(found) if name not in _NO_SECRET)
